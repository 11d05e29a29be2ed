# distri_module(NAME SOURCES ... HEADERS ... [PUBLIC target...] [PRIVATE target...])
#
# One static library per folder below src/, with the alias distri::NAME. Headers are written relative to the folder and are
# included everywhere, inside and after installation, as "distri/NAME/header.hpp": the build tree has a link
# include/distri -> src that makes both spellings the same file.
set(DISTRI_INCLUDE_ROOT ${PROJECT_BINARY_DIR}/include)
file(MAKE_DIRECTORY ${DISTRI_INCLUDE_ROOT})
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src ${DISTRI_INCLUDE_ROOT}/distri SYMBOLIC)

set(DISTRI_MODULES "" CACHE INTERNAL "modules to install")

# Warnings and sanitizers come from presets through these, so that a consumer of the package never inherits them.
set(DISTRI_COMPILE_OPTIONS "" CACHE STRING "extra compile options for distri's own targets")
set(DISTRI_LINK_OPTIONS "" CACHE STRING "extra link options for distri's own programs")

function(distri_own_options target)
  target_compile_options(${target} PRIVATE ${DISTRI_COMPILE_OPTIONS})
  target_link_options(${target} PRIVATE ${DISTRI_LINK_OPTIONS})
endfunction()

# Sanitizers take minutes to optimise long tables of tests and of options, which are run once: what is slow is in the libraries.
set(DISTRI_PROGRAM_COMPILE_OPTIONS "" CACHE STRING "extra compile options for distri's own programs and tests, after all others")

# Precompiled headers make a build from nothing much shorter, but hide a forgotten #include: the presets for sanitizers have
# them, dev and release have not. Libraries share one set, programs (position-independent executables) another, unit tests a third.
option(DISTRI_PRECOMPILE "precompile the headers that most files include" OFF)
set(DISTRI_PRECOMPILED
  <algorithm> <array> <chrono> <deque> <expected> <functional> <map> <memory> <optional> <set> <string> <string_view> <tuple>
  <utility> <vector> <absl/container/btree_map.h> <absl/container/flat_hash_map.h> <fmt/chrono.h> <fmt/ranges.h>)
if(DISTRI_PRECOMPILE)
  add_library(distri_precompiled OBJECT ${CMAKE_CURRENT_LIST_DIR}/precompiled.cpp)
  target_compile_features(distri_precompiled PUBLIC cxx_std_23)
  target_link_libraries(distri_precompiled PRIVATE fmt::fmt absl::btree absl::flat_hash_map)
  target_precompile_headers(distri_precompiled PRIVATE ${DISTRI_PRECOMPILED})
  distri_own_options(distri_precompiled)

  # An executable for its compile options; what it runs is nothing.
  add_executable(distri_precompiled_programs ${CMAKE_CURRENT_LIST_DIR}/precompiled_main.cpp)
  target_compile_features(distri_precompiled_programs PUBLIC cxx_std_23)
  target_link_libraries(distri_precompiled_programs PRIVATE fmt::fmt absl::btree absl::flat_hash_map nlohmann_json::nlohmann_json)
  target_precompile_headers(distri_precompiled_programs PRIVATE ${DISTRI_PRECOMPILED} <nlohmann/json.hpp>)
  distri_own_options(distri_precompiled_programs)
  target_compile_options(distri_precompiled_programs PRIVATE ${DISTRI_PROGRAM_COMPILE_OPTIONS})
endif()

# For a library: every module, and what several programs share.
function(distri_library_options target)
  distri_own_options(${target})
  if(DISTRI_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM distri_precompiled)
  endif()
endfunction()

function(distri_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;PUBLIC;PRIVATE" ${ARGN})
  add_library(distri_${name} STATIC ${arg_SOURCES})
  add_library(distri::${name} ALIAS distri_${name})
  set_target_properties(distri_${name} PROPERTIES EXPORT_NAME ${name} VERIFY_INTERFACE_HEADER_SETS ON)
  list(TRANSFORM arg_HEADERS PREPEND ${DISTRI_INCLUDE_ROOT}/distri/${name}/)
  target_sources(distri_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${DISTRI_INCLUDE_ROOT} FILES ${arg_HEADERS})
  target_compile_features(distri_${name} PUBLIC cxx_std_23)
  target_link_libraries(distri_${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  distri_library_options(distri_${name})
  set(DISTRI_MODULES ${DISTRI_MODULES} distri_${name} CACHE INTERNAL "modules to install")
endfunction()

# distri_program_library(NAME SOURCES ... LINK ...): what several programs share, not installed.
function(distri_program_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${arg_LINK})
  distri_library_options(${name})
endfunction()

function(distri_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  distri_own_options(${name})
  if(DISTRI_JEMALLOC)
    target_link_libraries(${name} PRIVATE PkgConfig::jemalloc)
  endif()
  target_compile_options(${name} PRIVATE ${DISTRI_PROGRAM_COMPILE_OPTIONS})
  if(DISTRI_PRECOMPILE)
    target_precompile_headers(${name} REUSE_FROM distri_precompiled_programs)
  endif()
endfunction()
