# distri-chaos, the tests of its checks, and a short run of it. Included by CMakeLists.txt of tests/integration.
set(chaos_dir ${CMAKE_CURRENT_LIST_DIR})
distri_program_library(distri_chaos_checks
  SOURCES ${chaos_dir}/expectations.cpp ${chaos_dir}/recorder.cpp ${chaos_dir}/verdict.cpp
  LINK distri::client distri::utils fmt::fmt nlohmann_json::nlohmann_json Threads::Threads)

distri_program(distri-chaos
  SOURCES
    ${chaos_dir}/cluster_state.cpp ${chaos_dir}/disasters.cpp ${chaos_dir}/load.cpp ${chaos_dir}/main.cpp ${chaos_dir}/nodes.cpp
    ${chaos_dir}/options.cpp ${chaos_dir}/probes.cpp ${chaos_dir}/run.cpp ${chaos_dir}/sandbox.cpp
  LINK distri_chaos_checks)
distri_link_cxxopts(distri-chaos)

distri_program(chaos_checks_test SOURCES ${chaos_dir}/checks_test.cpp LINK distri_doctest_main doctest::doctest distri_chaos_checks)
add_test(NAME integration.chaos_checks COMMAND chaos_checks_test)
set_tests_properties(integration.chaos_checks PROPERTIES TIMEOUT 600)

if(TARGET distri-example)
  add_test(NAME integration.chaos
           COMMAND distri-chaos --program $<TARGET_FILE:distri-example> --minutes 0.33 --seed 1 --sessions 4)
  set_tests_properties(integration.chaos PROPERTIES TIMEOUT 600 PROCESSORS 2)
endif()
