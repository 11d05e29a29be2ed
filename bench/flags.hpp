// flags.hpp: the command line of the smaller benchmarks: --name value pairs, each known and checked.
//
// Errors: kInvalidArgument, one sentence that names the option.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "distri/utils/result.hpp"

namespace bench {

class Flags {
 public:
  // `known`: names with their dashes. --help alone is always known.
  static distri::Result<Flags> parse(int argc, char** argv, std::initializer_list<std::string_view> known);

  bool help() const { return help_; }
  std::string text(const std::string& name, std::string otherwise) const;
  distri::Result<std::uint64_t> number(const std::string& name, std::uint64_t otherwise, std::uint64_t least,
                                       std::uint64_t most) const;

 private:
  std::map<std::string, std::string> values_;
  bool help_ = false;
};

// Writes a file of figures; an empty name writes nothing.
distri::Result<> write_json(const std::string& file, const nlohmann::json& figures);

// main() of a benchmark: `run` prints what it found. Exit code 0; 1 when it failed; 2 when it could not start.
int run_program(const char* name, const char* help, int argc, char** argv,
                std::initializer_list<std::string_view> known, distri::Result<> (*run)(const Flags&));

}  // namespace bench
