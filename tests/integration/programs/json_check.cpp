// json_check FILE CHECK...: does a JSON file say what it must? A check is one of
//   keys=a,b,c        the top level is an object with exactly these keys
//   /pointer=value    the value at the JSON pointer equals this JSON text
//   /pointer>value    ... is a number above it         /pointer#n   ... has n elements
// Prints the first check that does not hold and exits 1.
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace {

using nlohmann::json;

bool has_exactly(const json& document, const std::string& keys) {
  std::string found;
  for (const auto& [key, value] : document.items()) found += (found.empty() ? "" : ",") + key;
  return document.is_object() && found == keys;  // nlohmann sorts keys, and so must the check
}

bool holds(const json& document, const std::string& check) {
  if (check.starts_with("keys=")) return has_exactly(document, check.substr(5));
  const auto at = check.find_first_of("=>#");
  if (at == std::string::npos) return false;
  const json::json_pointer pointer(check.substr(0, at));
  if (!document.contains(pointer)) return false;
  const json& value = document[pointer];
  const json wanted = json::parse(check.substr(at + 1));
  if (check[at] == '=') return value == wanted;
  if (check[at] == '>') return value.is_number() && value > wanted;
  return value.size() == wanted.get<std::size_t>();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::ifstream in(argc > 1 ? argv[1] : "");
    const json document = json::parse(in);
    for (int i = 2; i < argc; ++i) {
      if (holds(document, argv[i])) continue;
      fmt::print(stderr, "json_check: {}: '{}' does not hold\n", argv[1], argv[i]);
      return 1;
    }
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "json_check: {}\n", error.what());
    return 1;
  }
}
