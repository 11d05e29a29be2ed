# The figures are there and sane. Times are simulated and the same on every machine, so that they may be judged; a hundred
# nodes that have nothing to say stay below the goal of 50 kbit/s each, all framing counted.
function(measure name)
  execute_process(COMMAND ${SIM} --convergence ${ARGN} --json ${FOLDER}/convergence_${name}.json RESULT_VARIABLE code OUTPUT_VARIABLE text)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${name}: it ended with ${code}: ${text}")
  endif()
  file(READ ${FOLDER}/convergence_${name}.json json)
  string(JSON cluster GET "${json}" clusters 0)
  foreach(path "writes" "every_node_ms;p50" "every_node_ms;p99" "every_node_ms;max" "each_node_ms;p50" "each_node_ms;max" "idle;kbit_per_s"
      "idle;network_kbit_per_s" "idle;messages_per_s" "writing;kbit_per_s")
    string(JSON value GET "${cluster}" ${path})
    string(REPLACE ";" "_" variable "${path}")
    set(${variable} ${value})
    set(${name}_${variable} ${value} PARENT_SCOPE)
  endforeach()
  # cmake compares numbers of either kind.
  if(NOT each_node_ms_p50 GREATER 0 OR every_node_ms_p50 LESS each_node_ms_p50 OR every_node_ms_p99 LESS every_node_ms_p50
      OR every_node_ms_max LESS every_node_ms_p99 OR every_node_ms_max LESS each_node_ms_max)
    message(FATAL_ERROR "${name}: times that cannot be: ${cluster}")
  endif()
  if(NOT idle_kbit_per_s GREATER 0 OR NOT idle_network_kbit_per_s GREATER idle_kbit_per_s OR NOT idle_messages_per_s GREATER 0
      OR NOT writing_kbit_per_s GREATER idle_kbit_per_s)
    message(FATAL_ERROR "${name}: traffic that cannot be: ${cluster}")
  endif()
endfunction()

measure(lossless --nodes 5 --writes 60 --seeds 1..2 --loss 0)
if(NOT lossless_writes EQUAL 120 OR lossless_every_node_ms_max GREATER 10)
  message(FATAL_ERROR "without loss a write is everywhere after one hop, but took ${lossless_every_node_ms_max} ms")
endif()
measure(lossy --nodes 5 --writes 60 --seeds 1..2 --loss 0.05)
if(NOT lossy_every_node_ms_max GREATER 10 OR lossy_every_node_ms_max GREATER 5000)
  message(FATAL_ERROR "a lost batch is made good within some rounds of gossip, but it took ${lossy_every_node_ms_max} ms")
endif()
measure(hundred --nodes 100 --writes 3 --seeds 1)
if(hundred_idle_network_kbit_per_s GREATER 50 OR hundred_every_node_ms_max GREATER 5000)
  message(FATAL_ERROR "100 nodes: ${hundred_idle_network_kbit_per_s} kbit/s each when idle, ${hundred_every_node_ms_max} ms to converge")
endif()
