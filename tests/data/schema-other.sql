-- The other of the catalogue in the form and order of schema-other.tsv.
SELECT o, k, d FROM (
SELECT relname::text o, 'unlogged table' k, '' d, 1 n FROM pg_class WHERE relkind='r' AND relpersistence='u'
UNION ALL SELECT c.relname||'.'||a.attname, 'statistics option', x, 2 FROM pg_attribute a JOIN pg_class c ON c.oid=a.attrelid, unnest(a.attoptions) x WHERE x LIKE 'n_distinct%' AND c.relnamespace='public'::regnamespace
UNION ALL SELECT c.relname||'.'||t.tgname, 'trigger', regexp_replace(pg_get_triggerdef(t.oid), '^CREATE TRIGGER \S+ ', ''), 3 FROM pg_trigger t JOIN pg_class c ON c.oid=t.tgrelid WHERE NOT tgisinternal
UNION ALL SELECT p.proname, 'function', 'language '||l.lanname||' returns '||format_type(p.prorettype,NULL), 4 FROM pg_proc p JOIN pg_language l ON l.oid=p.prolang WHERE p.pronamespace='public'::regnamespace) x
ORDER BY n, o COLLATE "C"
