"""Turns a database that Synapse filled (see README.md) into the files of this folder.

usage: extract.py <conninfo>
Needs the two audit tables that README.md describes.
"""
import json, os, subprocess, sys

here = os.path.dirname(os.path.abspath(__file__))
conn = sys.argv[1]


def psql(sql):
    out = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-d", conn, "-c", sql], check=True, capture_output=True, text=True)
    return out.stdout


def write(name, text):
    with open(os.path.join(here, name), "w") as f:
        f.write(text)


base = []
tables = {
    "users": "name, creation_ts, admin, is_guest, deactivated",
    "devices": "user_id, device_id, display_name, hidden",
    "rooms": "room_id, is_public, creator, room_version, has_auth_chain_index",
    "state_groups": "id, room_id, event_id",
    "state_group_edges": "state_group, prev_state_group",
    "state_groups_state": "state_group, room_id, type, state_key, event_id",
}
for table, columns in tables.items():
    base.append({"table": table, "columns": columns, "rows": [json.loads(r) for r in psql(
        f"SELECT row_to_json(x)::text FROM (SELECT {columns} FROM {table} ORDER BY 1, 2) x").splitlines()]})
base.append({"table": "event_push_actions_staging", "columns": "event_id, user_id, actions, notif, highlight, unread, thread_id",
             "rows": [json.loads(r) for r in psql(
                 "SELECT row_to_json(x)::text FROM (SELECT event_id, user_id, actions, notif, highlight, unread, thread_id"
                 " FROM audit_staging ORDER BY 1, 2) x").splitlines()]})
sql = []
for t in base:
    if t["rows"]:
        rows = json.dumps(t["rows"], ensure_ascii=False, separators=(",", ":")).replace("'", "''")
        sql.append(f"INSERT INTO {t['table']} ({t['columns']}) SELECT {t['columns']} FROM"
                   f" json_populate_recordset(NULL::{t['table']}, '{rows}');")
write("base.sql", "\n".join(sql) + "\n")

rows = psql("""
SELECT json_build_array(a.xid::text, e.room_id, e.stream_ordering, e.event_id, j.json, j.internal_metadata, r.room_version,
  COALESCE(g.state_group, 0),
  COALESCE((SELECT prev_state_group FROM state_group_edges x WHERE x.state_group = g.state_group
            AND EXISTS (SELECT 1 FROM state_groups s WHERE s.id = g.state_group AND s.event_id = e.event_id)), g.state_group, 0),
  e.outlier, e.rejection_reason)::text
FROM (SELECT event_id, min(id) AS id, min(xid::text) AS xid FROM audit_txn GROUP BY event_id) a
JOIN events e USING (event_id) JOIN event_json j USING (event_id) JOIN rooms r ON r.room_id = e.room_id
LEFT JOIN event_to_state_groups g USING (event_id) ORDER BY a.id""")
batches, last = [], None
for line in rows.splitlines():
    xid, room, order, event_id, text, meta, version, group, before, outlier, rejected = json.loads(line)
    if xid != last:
        batches.append({"room": room, "version": version, "backfilled": order < 0, "events": []})
        last = xid
    batches[-1]["events"].append({"id": event_id, "json": text, "meta": meta, "group": group, "before": before,
                                  "outlier": outlier, "rejected": rejected})
write("batches.jsonl", "".join(json.dumps(b, ensure_ascii=False, separators=(",", ":")) + "\n" for b in batches))

expected = []
for line in open(os.path.join(here, "queries.tsv")):
    name, query = line.rstrip("\n").split("\t", 1)
    for row in psql(f"SELECT row_to_json(q)::jsonb::text FROM ({query}) q").splitlines():
        expected.append(f"{name}\t{row}")
write("expected.tsv", "\n".join(expected) + "\n")
