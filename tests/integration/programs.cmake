# Tests of distri, distri-example and distri-bench as programs. Included by CMakeLists.txt of this folder.
distri_program(json_check SOURCES ${CMAKE_CURRENT_LIST_DIR}/programs/json_check.cpp
               LINK fmt::fmt nlohmann_json::nlohmann_json)

set(distri_program_tests "")
if(TARGET distri-example AND TARGET distri-bench)
  list(APPEND distri_program_tests usage server db)
  if(TARGET redis_load)
    list(APPEND distri_program_tests bench cluster_bench side_by_side)
  endif()
  if(DISTRI_HAVE_IMAGES)
    list(APPEND distri_program_tests images)
  endif()
endif()
if(TARGET distri)
  list(APPEND distri_program_tests access distri keys namespaces)
  if(TARGET distri-example AND DISTRI_HAVE_IMAGES)
    list(APPEND distri_program_tests peer peer_keys)
  endif()
endif()
foreach(test ${distri_program_tests})
  add_test(NAME programs.${test}
           COMMAND ${CMAKE_CURRENT_LIST_DIR}/programs/${test}_test ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}
                   $<IF:$<BOOL:${DISTRI_HAVE_IMAGES}>,yes,no>)
  set_tests_properties(programs.${test} PROPERTIES TIMEOUT 600 PROCESSORS 2 SKIP_RETURN_CODE 77)
endforeach()

if(TARGET distri-bench)
  distri_program(bench_workload_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/programs/watch_phase_test.cpp ${CMAKE_CURRENT_LIST_DIR}/programs/workload_test.cpp
                 LINK distri_doctest_main doctest::doctest distri_bench_parts)
  add_test(NAME programs.bench_workload COMMAND bench_workload_test)

  if(TARGET distri-example)
    distri_program(killed_teller_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/killed_teller_test.cpp
                   LINK distri_doctest_main doctest::doctest distri_bench_parts)
    add_dependencies(killed_teller_test distri-example)
    add_test(NAME integration.killed_teller COMMAND killed_teller_test)
    set_tests_properties(integration.killed_teller PROPERTIES TIMEOUT 600 PROCESSORS 2)
  endif()
endif()

if(TARGET distri_bench_parts AND TARGET distri_peer_screen)
  pkg_check_modules(vterm REQUIRED IMPORTED_TARGET vterm)
  distri_program(peer_terminal_test
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/terminal/peer_terminal_test.cpp ${CMAKE_CURRENT_LIST_DIR}/terminal/scripted_terminal.cpp
    LINK doctest::doctest distri_bench_parts PkgConfig::vterm)
  add_dependencies(peer_terminal_test distri-example)
  add_test(NAME programs.peer_terminal COMMAND peer_terminal_test)
  set_tests_properties(programs.peer_terminal PROPERTIES TIMEOUT 600 PROCESSORS 2)
endif()
