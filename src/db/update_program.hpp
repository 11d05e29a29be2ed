// update_program.hpp: the compiled form of an update. Private to the module.
//
// The paths of all operators form a tree: an inner node stands for a part of a path, a leaf holds an action. That two
// paths conflict shows when the tree is built: a leaf where an inner node is, or the other way round. What only the
// document decides (`$` is the same element as an index; two array filters match one element) shows when it is applied.
//
// Values and texts point into UpdateProgram::source and array_filter_source, so a program never moves.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "distri/db/array_writer.hpp"
#include "distri/db/element_matcher.hpp"
#include "distri/db/find.hpp"
#include "distri/db/language_error.hpp"
#include "distri/db/update.hpp"

namespace distri::db {

enum class UpdateOp : std::uint8_t {
  kSet,
  kSetOnInsert,
  kUnset,
  kInc,
  kMul,
  kMin,
  kMax,
  kCurrentDate,
  kRenameFrom,  // the field goes
  kRenameTo,    // and comes here
  kPush,
  kAddToSet,
  kPull,
  kPullAll,
  kPop,
  kBit,
};

struct BitStep {
  enum class Kind : std::uint8_t { kAnd, kOr, kXor } kind;
  bson::Value operand;  // int32 or int64
};

struct UpdateAction {
  UpdateOp op = UpdateOp::kSet;
  std::string_view name;  // "$set"
  std::string_view path;  // as written
  bson::Value value;      // kSet, kSetOnInsert, kInc, kMul, kMin, kMax
  // kPush: to insert, in order; kAddToSet: the same, each once; kPullAll: sorted.
  std::vector<bson::Value> list;
  // kPush
  std::optional<std::int64_t> position;
  std::optional<std::int64_t> slice;
  int sort_elements = 0;                  // 1 or -1: the elements themselves
  std::vector<SortKey> sort_keys;         // by fields of elements
  std::optional<ElementMatcher> matcher;  // kPull
  std::vector<BitStep> bits;              // kBit
  bool first = false;                     // kPop: the first one, not the last
  bool timestamp = false;                 // kCurrentDate: not a date
  std::size_t rename = 0;                 // kRenameTo: index into UpdateProgram::renames
};

// From the operator's name; nullopt: there is none of that name. kRenameTo stands for $rename.
std::optional<UpdateOp> find_update_op(std::string_view name);

// Fills in what the operator's argument says. Not for $rename.
Result<> parse_action(UpdateAction& action, const bson::Value& argument);

// The order in which fields are updated: indices by value, then names by bytes.
struct FieldName {
  std::string_view name;
  std::optional<std::uint64_t> index;  // the name as an array index, when it is one
};
bool comes_before(const FieldName& a, const FieldName& b);
// Decimal, without leading zeros.
std::optional<std::uint64_t> array_index_of(std::string_view name);

// One part of a path, or the place above all.
struct UpdateNode {
  enum class Kind : std::uint8_t {
    kField,       // a field, or an index when it meets an array
    kPositional,  // $
    kAll,         // $[]
    kFiltered,    // $[identifier]
  };
  Kind kind = Kind::kField;
  FieldName field;                       // kField; of the others the name is the text of the part
  std::size_t filter = 0;                // kFiltered: index into UpdateProgram::array_filters
  std::unique_ptr<UpdateAction> action;  // a leaf
  // One of the two lists is empty.
  std::vector<std::unique_ptr<UpdateNode>> fields;    // kField, kPositional: in the order of comes_before()
  std::vector<std::unique_ptr<UpdateNode>> elements;  // kAll, kFiltered
};

struct ArrayFilter {
  std::string identifier;
  Filter filter;  // of {identifier: element}
  bool used = false;
};

struct Rename {
  std::string_view from;
  std::string_view to;
};

struct UpdateProgram {
  bson::Document source;
  bson::Document array_filter_source;
  bool replacement = false;
  UpdateNode root;
  std::vector<ArrayFilter> array_filters;
  std::vector<Rename> renames;
  std::size_t actions = 0;
  std::string_view positional_path;
  bool positional = false;
  int path_parts_max = 0;
  bool may_be_too_deep = false;  // the result's depth has to be checked
};

// Adds a leaf to the tree. The action's path must be set.
Result<> add_action(UpdateProgram& program, std::unique_ptr<UpdateAction> action);

// What applying one update to one document needs to know.
struct UpdateRun {
  const UpdateProgram& program;
  const UpdateContext& context;
  bson::View original;
  std::string positional;                           // the matched index in decimal
  std::vector<std::optional<bson::Value>> renamed;  // per rename: the value that moves
  Bytes scratch;
};

// Does the action make a field where there is none?
bool makes_missing(const UpdateAction& action, const UpdateRun& run);

// Appends what the action makes of `old` (nullptr: missing) under `key`; nothing when the field goes or never was.
// `element`: it is an element of an array, which cannot go, but becomes null.
Result<> run_action(const UpdateAction& action, const bson::Value* old, bool element, std::string_view key,
                    UpdateRun& run, bson::Builder& out);

// The parts of run_action() for numbers and arrays. Preconditions: the action's op is one of the named ones.
Result<> run_arithmetic(const UpdateAction& action, const bson::Value* old, std::string_view key,
                        bson::Builder& out);  // kInc, kMul
Result<> run_bits(const UpdateAction& action, const bson::Value* old, std::string_view key, bson::Builder& out);
Result<> run_array_action(const UpdateAction& action, const bson::Value* old, std::string_view key, UpdateRun& run,
                          bson::Builder& out);  // kPush, kAddToSet, kPull, kPullAll, kPop

// What has been built may be larger than a document may be only by what the original has, which may still go.
// kTooLarge.
Result<> check_size(const UpdateRun& run, const bson::Builder& out);

// Appends the original's fields with the update applied, no matter what they are called.
Result<> rebuild_fields(UpdateRun& run, bson::Builder& out);

}  // namespace distri::db
