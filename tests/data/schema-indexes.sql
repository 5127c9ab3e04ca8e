-- The indexes of the catalogue in the form and order of schema-indexes.tsv.
SELECT t.relname, x.relname, CASE WHEN i.indisunique THEN 'YES' ELSE 'NO' END, CASE WHEN i.indisprimary THEN 'YES' ELSE 'NO' END,
 coalesce((SELECT CASE contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' END FROM pg_constraint WHERE conindid = x.oid AND contype IN ('p','u')), ''), m.amname,
 (SELECT string_agg(pg_get_indexdef(x.oid, k, true), ', ' ORDER BY k) FROM generate_series(1, i.indnkeyatts) k),
 coalesce((SELECT string_agg(pg_get_indexdef(x.oid, k, true), ', ' ORDER BY k) FROM generate_series(i.indnkeyatts + 1, i.indnatts) k), ''),
 coalesce(pg_get_expr(i.indpred, i.indrelid), ''), CASE WHEN i.indisreplident THEN 'YES' ELSE 'NO' END
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_am m ON m.oid = x.relam
WHERE t.relnamespace='public'::regnamespace ORDER BY t.relname COLLATE "C", x.relname COLLATE "C"
