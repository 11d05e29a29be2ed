# distri-chaos, the tests of its checks, and a short run of it. Included by CMakeLists.txt of tests/integration.
find_package(cxxopts REQUIRED)

set(chaos_dir ${CMAKE_CURRENT_LIST_DIR})
set(chaos_checks ${chaos_dir}/expectations.cpp ${chaos_dir}/recorder.cpp ${chaos_dir}/verdict.cpp)
set(chaos_links distri::client distri::utils fmt::fmt nlohmann_json::nlohmann_json Threads::Threads)
if(TARGET cxxopts::cxxopts)
  list(APPEND chaos_links cxxopts::cxxopts)
endif()

distri_program(distri-chaos
  SOURCES
    ${chaos_checks} ${chaos_dir}/cluster_state.cpp ${chaos_dir}/disasters.cpp ${chaos_dir}/load.cpp ${chaos_dir}/main.cpp
    ${chaos_dir}/nodes.cpp ${chaos_dir}/options.cpp ${chaos_dir}/probes.cpp ${chaos_dir}/run.cpp ${chaos_dir}/sandbox.cpp
  LINK ${chaos_links})

distri_program(chaos_checks_test SOURCES ${chaos_checks} ${chaos_dir}/checks_test.cpp
               LINK distri_doctest_main doctest::doctest ${chaos_links})
add_test(NAME integration.chaos_checks COMMAND chaos_checks_test)
set_tests_properties(integration.chaos_checks PROPERTIES TIMEOUT 600)

if(TARGET distri-example)
  add_test(NAME integration.chaos
           COMMAND distri-chaos --program $<TARGET_FILE:distri-example> --minutes 0.33 --seed 1 --sessions 4)
  set_tests_properties(integration.chaos PROPERTIES TIMEOUT 600 PROCESSORS 2)
endif()
