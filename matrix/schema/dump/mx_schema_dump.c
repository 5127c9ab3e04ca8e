/* mx_schema_dump.c: prints the whole schema as one transaction, to be loaded with psql. */
#include "schema/schema.h"

#include <stdio.h>

int main(void)
{
    puts("BEGIN;");
    for (const struct mx_schema_file *file = mx_schema_files; file->name; file++)
        fputs(file->sql, stdout);
    puts("COMMIT;");
    return ferror(stdout) ? 1 : 0;
}
