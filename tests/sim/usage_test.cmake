# Each wrong call ends with code 2 and one sentence on standard error.
set(calls "--nodes 5" "--seeds 9..3" "--seeds x" "--seeds 1 --nodes 1" "--seeds 1 --members --nodes 2" "--seeds 1 --fault meteor" "--seeds 1 --fault drop,meteor"
  "--seeds 1 --plant weed" "--plants --plant weed" "--seeds 1 --wrong" "--seeds 1 stray" "--scenario" "--convergence --nodes 101"
  "--convergence --loss 0.9" "--convergence --loss x" "--convergence --latency-ms 0" "--convergence --writes 0" "--convergence --seeds 2..1" "--broadcast --nodes 16"
  "--broadcast --loss 0.9" "--scenario no_such_file.txt")
foreach(call IN LISTS calls)
  separate_arguments(arguments UNIX_COMMAND "${call}")
  execute_process(COMMAND ${SIM} ${arguments} RESULT_VARIABLE code ERROR_VARIABLE text OUTPUT_QUIET)
  string(REGEX MATCHALL "\n" lines "${text}")
  list(LENGTH lines count)
  if(NOT code EQUAL 2 OR NOT count EQUAL 1)
    message(FATAL_ERROR "'${call}' ended with ${code} and said: ${text}")
  endif()
endforeach()
