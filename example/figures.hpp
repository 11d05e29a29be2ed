// figures.hpp: what a test with many clients found, in the shape that scripts rely on.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "latency.hpp"
#include "options.hpp"

namespace example {

struct TestFigures {
  std::uint64_t clients = 0;
  std::uint64_t failed = 0;                    // operations
  std::map<std::string, std::uint64_t> saved;  // "host:port" -> correct entries there
  bool digests_equal = false;
  double seconds = 0;  // of the clients' work, without starting servers and checking afterwards
  nlohmann::json latency_us;
  std::vector<std::string> first_errors;
};

// {"clients","failed","saved","digests_equal","seconds","latency_us"}
nlohmann::json to_json(const TestFigures& figures);

// For people; `what` names the calls whose latency it is.
void print_figures(const TestFigures& figures, std::string_view what);

// Pretty JSON into options.json, if that was asked for.
distri::Result<> write_json(const Options& options, const nlohmann::json& value);

// "1.2 ms", "3.4 s"
std::string human_duration(std::int64_t us);
// "1.2 MB"
std::string human_bytes(std::uint64_t bytes);

}  // namespace example
