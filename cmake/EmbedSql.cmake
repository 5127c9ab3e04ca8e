# cmake -DOUT=file.c -DDIR=folder -DNAMES=a,b,c -P EmbedSql.cmake: writes <folder>/<name>.sql, in the order given, as
# the table mx_schema_files of matrix/schema/schema.h.
string(REPLACE "," ";" names "${NAMES}")
set(text "/* Made from the .sql files of matrix/schema by cmake/EmbedSql.cmake. */\n#include \"schema/schema.h\"\n\n")
string(APPEND text "const struct mx_schema_file mx_schema_files[] = {\n")
foreach(name ${names})
    file(READ "${DIR}/${name}.sql" sql)
    string(REPLACE "\\" "\\\\" sql "${sql}")
    string(REPLACE "\"" "\\\"" sql "${sql}")
    string(REPLACE "\n" "\\n\"\n     \"" sql "${sql}")
    string(APPEND text "    {\"${name}\",\n     \"${sql}\"},\n")
endforeach()
string(APPEND text "    {0},\n};\n")
file(WRITE "${OUT}" "${text}")
