# cmake -DOUT=file.c -DDIR=folder -DNAMES=a,b,c -DSUFFIX=.sql -DHEADER=schema/schema.h -DENTRY=mx_schema_file
#   -DTABLE=mx_schema_files -P EmbedFiles.cmake
# Writes the files <folder>/<name><suffix>, in the order given, as a table of {name, text} that ends with an empty entry.
string(REPLACE "," ";" names "${NAMES}")
set(text "/* Made by cmake/EmbedFiles.cmake. */\n#include \"${HEADER}\"\n\n")
string(APPEND text "const struct ${ENTRY} ${TABLE}[] = {\n")
foreach(name ${names})
    file(READ "${DIR}/${name}${SUFFIX}" content)
    string(REPLACE "\\" "\\\\" content "${content}")
    string(REPLACE "\"" "\\\"" content "${content}")
    string(REPLACE "\n" "\\n\"\n     \"" content "${content}")
    string(APPEND text "    {\"${name}\",\n     \"${content}\"},\n")
endforeach()
string(APPEND text "    {0},\n};\n")
file(WRITE "${OUT}" "${text}")
