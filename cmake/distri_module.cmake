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

# Precompiled headers make a build from nothing much shorter, but hide a forgotten #include: the presets for sanitizers have
# them, dev and release have not. Libraries share one set, unit tests (position-independent executables) another.
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
endif()

function(distri_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;PUBLIC;PRIVATE" ${ARGN})
  add_library(distri_${name} STATIC ${arg_SOURCES})
  add_library(distri::${name} ALIAS distri_${name})
  set_target_properties(distri_${name} PROPERTIES EXPORT_NAME ${name} VERIFY_INTERFACE_HEADER_SETS ON)
  list(TRANSFORM arg_HEADERS PREPEND ${DISTRI_INCLUDE_ROOT}/distri/${name}/)
  target_sources(distri_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${DISTRI_INCLUDE_ROOT} FILES ${arg_HEADERS})
  target_compile_features(distri_${name} PUBLIC cxx_std_23)
  target_link_libraries(distri_${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  distri_own_options(distri_${name})
  if(DISTRI_PRECOMPILE)
    target_precompile_headers(distri_${name} REUSE_FROM distri_precompiled)
  endif()
  set(DISTRI_MODULES ${DISTRI_MODULES} distri_${name} CACHE INTERNAL "modules to install")
endfunction()

function(distri_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  distri_own_options(${name})
endfunction()
