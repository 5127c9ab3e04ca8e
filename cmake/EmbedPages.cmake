# cmake -DOUT=file.c -DDIR=folder -DNAMES=a.html,b.txt -P EmbedPages.cmake: writes the files of the folder as the table
# mx_page_files of matrix/pages/pages.h.
string(REPLACE "," ";" names "${NAMES}")
set(text "/* Made from matrix/pages/templates by cmake/EmbedPages.cmake. */\n#include \"pages/pages.h\"\n\n")
string(APPEND text "const struct mx_page_file mx_page_files[] = {\n")
foreach(name ${names})
    file(READ "${DIR}/${name}" page)
    string(REPLACE "\\" "\\\\" page "${page}")
    string(REPLACE "\"" "\\\"" page "${page}")
    string(REPLACE "\n" "\\n\"\n     \"" page "${page}")
    string(APPEND text "    {\"${name}\",\n     \"${page}\"},\n")
endforeach()
string(APPEND text "    {0},\n};\n")
file(WRITE "${OUT}" "${text}")
