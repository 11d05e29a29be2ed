// filter_program.hpp: the compiled form of a filter. Private to the module.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "distri/db/filter.hpp"
#include "distri/db/path.hpp"

namespace distri::db {

enum class FilterOp : std::uint8_t { kAnd, kOr, kNot, kEq, kGt, kGte, kLt, kLte, kIn, kExists };

struct FilterNode {
  FilterOp op = FilterOp::kAnd;
  std::vector<FilterNode> children;  // kAnd (none: true), kOr, kNot (one)
  Path path;                         // the others
  bson::Value operand;               // kEq to kLte
  std::vector<bson::Value> list;     // kIn, sorted
  bool has_null = false;             // kIn
};

// Values and path parts point into `source`, so a program never moves.
struct Filter::Program {
  bson::Document source;
  FilterNode root;
  std::optional<std::string> id_key;
};

// Compiles `source`, whose bytes must outlive the node.
Result<FilterNode> compile_filter(bson::View source);

bool filter_matches(const FilterNode& node, bson::View document);

}  // namespace distri::db
