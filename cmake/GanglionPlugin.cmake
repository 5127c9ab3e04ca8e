# ganglion_add_role(NAME source...): one role of this tree, as a module that the
# host loads by name. Out-of-tree plugins use ganglion_add_plugin() from the
# installed package instead.
function(ganglion_add_role name)
    add_library(${name} MODULE ${ARGN})
    set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${GANGLION_PLUGIN_OUTPUT_DIRECTORY}
        INSTALL_RPATH "$ORIGIN/../..")
    target_compile_definitions(${name} PRIVATE GANGLION_VERSION="${PROJECT_VERSION}")
    target_link_libraries(${name} PRIVATE $<TARGET_NAME_IF_EXISTS:ganglion-matrix> ganglion)
    target_link_options(${name} PRIVATE ${GANGLION_NO_UNDEFINED} -Wl,-z,now -Wl,--as-needed)
    install(TARGETS ${name} LIBRARY DESTINATION ${GANGLION_PLUGIN_INSTALL_DIR} COMPONENT ${name})
endfunction()
