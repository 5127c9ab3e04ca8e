-- The constraints of the catalogue in the form and order of schema-constraints.tsv.
SELECT t.relname, c.conname, CASE c.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' WHEN 'c' THEN 'CHECK' WHEN 'f' THEN 'FOREIGN KEY' END,
 CASE WHEN convalidated THEN 'YES' ELSE 'NO' END, CASE WHEN condeferrable THEN 'YES' ELSE 'NO' END, CASE WHEN condeferred THEN 'YES' ELSE 'NO' END,
 pg_get_constraintdef(c.oid)
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid WHERE c.contype IN ('p','u','c','f') AND t.relnamespace='public'::regnamespace ORDER BY t.relname COLLATE "C", c.conname COLLATE "C"
