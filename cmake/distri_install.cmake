# cmake --install: libraries, headers, the programs that were built, and what find_package(distri) and pkg-config need.
#
# Both descriptions are computed from the modules' own targets, so that a new module or a new dependency needs no edit here, except
# that a library from outside needs its line in distri_pkg_config_name().
include(CMakePackageConfigHelpers)

set(distri_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/distri)

install(TARGETS ${DISTRI_MODULES} EXPORT distri_targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
foreach(program distri distri-example distri-bench)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# ---- find_package(distri)
install(EXPORT distri_targets NAMESPACE distri:: FILE distri-targets.cmake DESTINATION ${distri_package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/distri-config.cmake.in ${PROJECT_BINARY_DIR}/distri-config.cmake
                              INSTALL_DESTINATION ${distri_package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/distri-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/distri-config.cmake ${PROJECT_BINARY_DIR}/distri-config-version.cmake
        DESTINATION ${distri_package_dir})
if(DISTRI_HAVE_IMAGES)
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/FindDistriOpenCV.cmake DESTINATION ${distri_package_dir})
endif()

# ---- pkg-config
# distri_pkg_config_name(TARGET REQUIRES LIBS): how pkg-config knows a library from outside: by a package, or by linker flags.
function(distri_pkg_config_name target requires libs)
  set(${requires} "" PARENT_SCOPE)
  set(${libs} "" PARENT_SCOPE)
  if(target MATCHES "^absl::(.+)$")
    set(${requires} absl_${CMAKE_MATCH_1} PARENT_SCOPE)
  elseif(target MATCHES "^(fmt|spdlog|nlohmann_json|simdjson)::.+$")
    set(${requires} ${CMAKE_MATCH_1} PARENT_SCOPE)
  elseif(target STREQUAL "PkgConfig::sodium")
    set(${requires} libsodium PARENT_SCOPE)
  elseif(target STREQUAL "PkgConfig::xxhash")
    set(${requires} libxxhash PARENT_SCOPE)
  elseif(target STREQUAL "PkgConfig::rocksdb")
    set(${requires} rocksdb PARENT_SCOPE)
  elseif(target STREQUAL "PkgConfig::pcre2")
    set(${requires} libpcre2-8 PARENT_SCOPE)
  elseif(target STREQUAL "Threads::Threads")
    set(${libs} -pthread PARENT_SCOPE)
  elseif(target STREQUAL "DistriOpenCV::DistriOpenCV")
    set(${libs} "-lopencv_imgcodecs -lopencv_imgproc -lopencv_core" PARENT_SCOPE)
  else()
    message(FATAL_ERROR "cmake/distri_install.cmake does not know the pkg-config name of ${target}: "
                        "add it to distri_pkg_config_name()")
  endif()
endfunction()

function(distri_write_pkg_config file)
  set(requires "")
  set(libs "")
  set(definitions "")
  set(archives "")
  foreach(module ${DISTRI_MODULES})
    list(PREPEND archives -l${module})  # modules are listed bottom up; the linker wants users first
    get_target_property(links ${module} INTERFACE_LINK_LIBRARIES)
    get_target_property(defined ${module} INTERFACE_COMPILE_DEFINITIONS)
    foreach(link ${links})
      string(REGEX REPLACE "^\\$<LINK_ONLY:(.+)>$" "\\1" link "${link}")
      if(link MATCHES "^distri(::|_)" OR NOT link)
        continue()
      endif()
      distri_pkg_config_name(${link} link_requires link_libs)
      list(APPEND requires ${link_requires})
      list(APPEND libs ${link_libs})
    endforeach()
    if(defined)
      list(TRANSFORM defined PREPEND -D)
      list(APPEND definitions ${defined})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES requires)
  list(REMOVE_DUPLICATES libs)
  list(REMOVE_DUPLICATES definitions)
  list(JOIN requires ", " DISTRI_PC_REQUIRES)
  list(JOIN libs " " libs)
  list(JOIN archives " " archives)
  list(JOIN definitions " " DISTRI_PC_DEFINITIONS)
  set(DISTRI_PC_LIBS "${archives} ${libs}")
  file(RELATIVE_PATH DISTRI_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
  string(REGEX REPLACE "/$" "" DISTRI_PC_PREFIX "${DISTRI_PC_PREFIX}")
  configure_file(${PROJECT_SOURCE_DIR}/cmake/distri.pc.in ${file} @ONLY)
endfunction()

distri_write_pkg_config(${PROJECT_BINARY_DIR}/distri.pc)
install(FILES ${PROJECT_BINARY_DIR}/distri.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
