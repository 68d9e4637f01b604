# What users install: the program, the library with its one header, and how other builds find it.
include(CMakePackageConfigHelpers)

add_library(libwinnow SHARED $<TARGET_OBJECTS:wn_score>)
set_target_properties(libwinnow PROPERTIES OUTPUT_NAME winnow VERSION ${PROJECT_VERSION} SOVERSION 0 EXPORT_NAME winnow)
target_link_libraries(libwinnow PRIVATE wn_score)
target_include_directories(libwinnow INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# Only the public names leave the library: everything else is its own affair and may change.
target_link_options(libwinnow PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map)
set_target_properties(libwinnow PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exports.map)

install(TARGETS winnow RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS libwinnow EXPORT winnowTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/winnow/winnow.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/winnow)
install(EXPORT winnowTargets NAMESPACE winnow:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/winnow)
configure_package_config_file(cmake/winnowConfig.cmake.in winnowConfig.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/winnow)
write_basic_package_version_file(winnowConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(cmake/winnow.pc.in winnow.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/winnowConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/winnowConfigVersion.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/winnow)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/winnow.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Man page and completion come from the option table of the program itself.
add_custom_command(OUTPUT winnow.1 winnow.bash
    COMMAND winnow --man > winnow.1
    COMMAND winnow --completion bash > winnow.bash
    DEPENDS winnow VERBATIM)
add_custom_target(manual ALL DEPENDS winnow.1 winnow.bash)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/winnow.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/winnow.bash
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME winnow)
