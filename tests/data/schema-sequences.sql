-- The sequences of the catalogue in the form and order of schema-sequences.tsv.
SELECT c.relname, format_type(s.seqtypid, NULL), s.seqstart, s.seqmin, s.seqmax, s.seqincrement, CASE WHEN s.seqcycle THEN 'YES' ELSE 'NO' END, s.seqcache,
 coalesce((SELECT t.relname || '.' || a.attname FROM pg_depend d JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid WHERE d.objid = c.oid AND d.deptype IN ('a','i') AND d.classid='pg_class'::regclass), '')
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid ORDER BY c.relname COLLATE "C"
