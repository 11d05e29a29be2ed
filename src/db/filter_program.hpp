// filter_program.hpp: the compiled form of a filter. Private to the module.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "distri/db/expression.hpp"
#include "distri/db/filter.hpp"
#include "distri/db/path.hpp"
#include "distri/db/regex.hpp"
#include "distri/db/schema.hpp"
#include "distri/db/type_set.hpp"

namespace distri::db {

enum class FilterOp : std::uint8_t {
  kAnd,
  kOr,
  kNot,
  kEq,
  kGt,
  kGte,
  kLt,
  kLte,
  kIn,
  kExists,
  kType,
  kRegex,
  kSize,
  kMod,
  kElementObject,  // $elemMatch with a filter: one child, asked of each element that is an object or array
  kElementValue,   // $elemMatch with operators: one child, whose conditions have no path, asked of each element
  kSchema,
  kExpression,
};

// $expr. The memory of the last evaluation waits here for the next; a second thread makes its own.
class FilterExpression {
 public:
  FilterExpression(Expression expression, std::optional<std::int64_t> now_ms);
  FilterExpression(const FilterExpression&) = delete;
  FilterExpression& operator=(const FilterExpression&) = delete;
  ~FilterExpression();
  bool holds(bson::View document, std::optional<Error>& error) const;

 private:
  Expression expression_;
  std::optional<std::int64_t> now_ms_;
  mutable std::atomic<Evaluation*> idle_{nullptr};
};

struct FilterNode {
  FilterOp op = FilterOp::kAnd;
  std::vector<FilterNode> children;              // kAnd (none: true), kOr (none: false), kNot (one), kElement* (one)
  Path path;                                     // the others; empty inside kElementValue
  bson::Value operand;                           // kEq to kLte; kRegex: the regex as a value, or null
  std::vector<bson::Value> list;                 // kIn, sorted
  std::vector<Regex> regexes;                    // kRegex (one), kIn
  bool has_null = false;                         // kIn
  TypeSet types;                                 // kType
  std::int64_t number = 0;                       // kSize; kMod: divisor
  std::int64_t remainder = 0;                    // kMod
  std::unique_ptr<Schema> schema;                // kSchema
  std::unique_ptr<FilterExpression> expression;  // kExpression
};

// Values and path parts point into `source`, so a program never moves.
struct Filter::Program {
  bson::Document source;
  FilterNode root;
  std::optional<std::string> id_key;
  std::optional<std::vector<std::string>> id_keys;
  IdBounds id_bounds;
};

// Compiles `source`, whose bytes must outlive the node.
Result<FilterNode> compile_filter(bson::View source, std::optional<std::int64_t> now_ms = std::nullopt);

// Sets the three members about `_id`.
void find_id_bounds(const FilterNode& root, std::optional<std::string>& key,
                    std::optional<std::vector<std::string>>& keys, IdBounds& bounds);

// What went wrong while a document was looked at; then the answer means nothing.
struct MatchState {
  std::optional<Error> error;
};

bool filter_matches(const FilterNode& node, bson::View document, MatchState& state);

// kNoMatch, kNoArray or an index (path.hpp). Precondition: the node matches.
std::int64_t filter_place(const FilterNode& node, bson::View document, MatchState& state);

}  // namespace distri::db
