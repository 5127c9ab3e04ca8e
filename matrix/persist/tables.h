/* matrix/persist/tables.h: the statements of a commit, in the order in which they run (facts database 4.2). */
#ifndef MATRIX_PERSIST_TABLES_H
#define MATRIX_PERSIST_TABLES_H

#include "rowset.h"

enum mx_table {
    MX_T_NEW_GROUPS,
    MX_T_DEPTH,
    MX_T_EX_GROUPS,
    MX_T_EX_STREAM,
    MX_T_EX_EVENTS,
    MX_T_EVENTS,
    MX_T_ENDS_DELETE,
    MX_T_ENDS,
    MX_T_TXN_IDS,
    MX_T_CHAINS,
    MX_T_LINKS,
    MX_T_POSTPONED,
    MX_T_CAUGHT_UP,
    MX_T_EVENT_AUTH,
    MX_T_REJECTIONS,
    MX_T_PUSH,
    MX_T_PUSH_KNOWN,
    MX_T_PUSH_CLEAN,
    MX_T_PUSH_REDACTED,
    MX_T_UNRELATED,
    MX_T_THREADS_BACK,
    MX_T_EDGES,
    MX_T_BACKWARD,
    MX_T_GAPS,
    MX_T_BACKWARD_DONE,
    MX_T_PULLED,
    MX_T_SEARCH,
    MX_T_REDACTIONS,
    MX_T_RETENTION,
    MX_T_RELATIONS,
    MX_T_THREADS,
    MX_T_LABELS,
    MX_T_EXPIRY,
    MX_T_MEMBERSHIPS,
    MX_T_OOB_MEMBERSHIP,
    MX_T_OOB_SNAPSHOT,
    MX_T_OOB_LEAVE,
    MX_T_LEFT_DELTAS,
    MX_T_LEFT_STATE,
    MX_T_LEFT_SUMMARY,
    MX_T_DELTAS,
    MX_T_STATE_DELETE,
    MX_T_STATE,
    MX_T_STATE_OWN,
    MX_T_SUMMARY_NEW,
    MX_T_SUMMARY,
    MX_T_LOCAL_DELETE,
    MX_T_LOCAL,
    MX_T_LOCAL_OWN,
    MX_T_SNAPSHOT_DELETE,
    MX_T_SNAPSHOT,
    MX_T_SNAPSHOT_OWN,
    MX_T_GONE_REMOTES,
    MX_T_SUMMARY_MOVE,
    MX_T_PARTICIPANTS,
    MX_T_COUNT
};

extern const struct mx_array_stmt mx_tables[MX_T_COUNT];

#endif
