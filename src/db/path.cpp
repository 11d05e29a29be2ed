#include "distri/db/path.hpp"

#include <algorithm>

#include "distri/db/filter.hpp"

namespace distri::db {

Path split_path(std::string_view text) {
  Path path;
  for (;;) {
    const std::size_t dot = text.find('.');
    const std::string_view name = text.substr(0, dot);
    // As array keys are written: no sign, no leading zeros.
    const bool digits =
        !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    path.push_back({name, digits && (name.size() == 1 || name.front() != '0'), bson::FieldName(name)});
    if (dot == std::string_view::npos) return path;
    text.remove_prefix(dot + 1);
  }
}

Result<> check_path(std::string_view context, std::string_view text) {
  const Path path = split_path(text);
  const auto numeric = static_cast<std::size_t>(
      std::count_if(path.begin(), path.end(), [](const PathPart& part) { return part.numeric; }));
  if (numeric > kPathNumericPartsMax) {
    return fail(Code::kInvalidArgument, "{}: the path '{}' has {} numeric parts, at most {} are allowed", context,
                text.substr(0, 100), numeric, kPathNumericPartsMax);
  }
  return {};
}

}  // namespace distri::db
