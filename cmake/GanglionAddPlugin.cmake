# ganglion_add_plugin(NAME source...): a plugin NAME.so, as the host wants it: only
# its entry is exported, everything it calls is known when it is linked (-z defs)
# and bound when it is loaded (-z now). NAME is what GG_PLUGIN() says and, unless it
# is a role of Synapse, the worker_app. Installed as the component NAME.
function(ganglion_add_plugin name)
    add_library(${name} MODULE ${ARGN})
    set_target_properties(${name} PROPERTIES PREFIX "" OUTPUT_NAME "${name}" SUFFIX ".so" C_STANDARD 17
        C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    target_link_libraries(${name} PRIVATE Ganglion::ganglion)
    if(TARGET Ganglion::matrix)
        target_link_libraries(${name} PRIVATE Ganglion::matrix)
    endif()
    target_link_options(${name} PRIVATE -Wl,-z,defs -Wl,-z,now -Wl,--as-needed)
    install(TARGETS ${name} LIBRARY DESTINATION "${Ganglion_PLUGIN_DIR}" COMPONENT "${name}")
endfunction()
