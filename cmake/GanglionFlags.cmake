# Language, warnings, hardening and sanitizers for every target of the tree.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
    -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wconversion -Wno-sign-conversion -Wno-unused-parameter
    -Wno-missing-field-initializers -fno-strict-aliasing -fno-omit-frame-pointer)
# Messages and the log name files from the top of the tree, and no build path ends up in what is installed.
add_compile_options(-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-clobbered)
endif()

if(GANGLION_SANITIZE)
    add_compile_options(-fsanitize=${GANGLION_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${GANGLION_SANITIZE})
    add_compile_definitions(GANGLION_SANITIZED=1)
else()
    add_compile_definitions(GANGLION_SANITIZED=0)
endif()

# A shared object names all that it needs. clang links its sanitizers' runtime into executables alone, so there it cannot.
if(NOT (GANGLION_SANITIZE AND CMAKE_C_COMPILER_ID MATCHES "Clang"))
    set(GANGLION_NO_UNDEFINED -Wl,-z,defs)
endif()
