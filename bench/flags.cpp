#include "flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <fstream>

namespace bench {

using distri::Code;
using distri::Result;

Result<Flags> Flags::parse(int argc, char** argv, std::initializer_list<std::string_view> known) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help") {
      flags.help_ = true;
      return flags;
    }
    if (std::find(known.begin(), known.end(), name) == known.end())
      return distri::fail(Code::kInvalidArgument, "'{}' is unknown; --help shows the options", name);
    if (++i == argc) return distri::fail(Code::kInvalidArgument, "{} needs a value", name);
    flags.values_[name] = argv[i];
  }
  return flags;
}

std::string Flags::text(const std::string& name, std::string otherwise) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::move(otherwise) : found->second;
}

Result<std::uint64_t> Flags::number(const std::string& name, std::uint64_t otherwise, std::uint64_t least,
                                    std::uint64_t most) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return otherwise;
  const std::string& text = found->second;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    return distri::fail(Code::kInvalidArgument, "{} must be a whole number between {} and {}, not '{}'", name, least,
                        most, text);
  }
  return value;
}

Result<> write_json(const std::string& file, const nlohmann::json& figures) {
  if (file.empty()) return {};
  std::ofstream out(file);
  out << figures.dump(2) << "\n";
  out.close();
  if (!out) return distri::fail(Code::kInvalidArgument, "cannot write '{}'", file);
  return {};
}

int run_program(const char* name, const char* help, int argc, char** argv,
                std::initializer_list<std::string_view> known, Result<> (*run)(const Flags&)) {
  try {
    const auto flags = Flags::parse(argc, argv, known);
    if (flags && flags->help()) {
      fmt::print("{}", help);
      return 0;
    }
    const Result<> done = flags ? run(*flags) : distri::fail(flags.error());
    if (done) return 0;
    fmt::print(stderr, "{}: {}\n", name, done.error().message);
    return done.error().code == Code::kInvalidArgument || done.error().code == Code::kUnavailable ? 2 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", name, error.what());
  }
  return 2;
}

}  // namespace bench
