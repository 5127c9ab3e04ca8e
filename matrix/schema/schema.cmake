# The schema as a C file. The order is that in which the files run: what is pointed at comes first.
set(MX_SCHEMA_PARTS bookkeeping users profiles user_directory account_data devices keys to_device rooms events
    partial_state state membership sliding_sync receipts push presence media appservices federation threads deltas seed)
list(TRANSFORM MX_SCHEMA_PARTS REPLACE "(.+)" "${CMAKE_CURRENT_LIST_DIR}/\\1.sql" OUTPUT_VARIABLE MX_SCHEMA_SQL)
list(JOIN MX_SCHEMA_PARTS "," names)
set(MX_SCHEMA_C ${CMAKE_CURRENT_BINARY_DIR}/schema_files.c)
add_custom_command(OUTPUT ${MX_SCHEMA_C}
    COMMAND ${CMAKE_COMMAND} -DOUT=${MX_SCHEMA_C} -DDIR=${CMAKE_CURRENT_LIST_DIR} -DNAMES=${names} -DSUFFIX=.sql
            -DHEADER=schema/schema.h -DENTRY=mx_schema_file -DTABLE=mx_schema_files -P ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake
    DEPENDS ${MX_SCHEMA_SQL} ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake VERBATIM)
list(APPEND MATRIX_SOURCES ${MX_SCHEMA_C})

# Prints the schema for psql: for tests, and for operators who want to see it.
list(FILTER MATRIX_SOURCES EXCLUDE REGEX "/schema/dump/")
add_executable(mx_schema_dump ${CMAKE_CURRENT_LIST_DIR}/dump/mx_schema_dump.c ${MX_SCHEMA_C})
target_include_directories(mx_schema_dump PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/host/include)
