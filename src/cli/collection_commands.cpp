// Commands about collections: their making, indexes, statistics, conflicts.
#include "distri/cli/command_groups.hpp"
#include "distri/cli/remote.hpp"
#include "distri/cli/units.hpp"

namespace distri::cli {
namespace {

const Positional kCollection{"COLLECTION", "its name"};

std::string shown(const Json& object, const char* name) {
  if (!object.contains(name)) return "-";
  return object[name].is_string() ? object[name].get<std::string>() : object[name].dump();
}

Result<> collections(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(const Json reply, remote.read("ListCollections", {}));
  if (arguments.flag("json")) {
    print_line(reply["collections"].dump());
    return {};
  }
  std::vector<std::vector<std::string>> rows{{"COLLECTION", "DOCUMENTS", "BYTES", "OPTIONS"}};
  for (const Json& each : reply["collections"]) {
    rows.push_back({shown(each, "name"), shown(each, "documents"), shown_bytes(each["bytes"].get<std::uint64_t>()),
                    each.contains("options") ? each["options"].dump() : ""});
  }
  print_table(rows);
  return {};
}

// The settings of a collection among the options.
Result<Json> settings_of(const Arguments& arguments) {
  Json params = Json::object();
  DISTRI_TRY(Json validator, json_option(arguments, "validator"));
  if (!validator.is_null()) params["validator"] = std::move(validator);
  if (const auto level = arguments.text("validation-level")) params["validationLevel"] = *level;
  if (const auto field = arguments.text("owner-field")) params["ownerField"] = *field;
  if (const auto field = arguments.text("taker-field")) params["takerField"] = *field;
  return params;
}

Result<> create(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(Json params, settings_of(arguments));
  if (const auto size = arguments.text("capped")) {
    auto bytes = parse_bytes(*size);
    if (!bytes) return fail(Code::kInvalidArgument, "--capped: {}", bytes.error().message);
    params["capped"] = true;
    params["size"] = *bytes;
  }
  DISTRI_TRY(const std::uint64_t most, arguments.number("max", 0, 1, INT64_MAX));
  if (most > 0) params["max"] = most;
  DISTRI_TRY(const Json reply, remote.write(service_of("CreateCollection", *arguments.positional(0)), params));
  print_line(arguments.flag("json") ? reply.dump() : reply["created"].get<bool>() ? "created" : "it was there already");
  return {};
}

Result<> modify(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(const Json params, settings_of(arguments));
  if (params.empty())
    return fail(Code::kInvalidArgument,
                "nothing to change: give --validator, --validation-level, --owner-field or --taker-field");
  DISTRI_TRY(const Json reply, remote.write(service_of("ModifyCollection", *arguments.positional(0)), params));
  print_line(arguments.flag("json") ? reply.dump() : reply["modified"].get<bool>() ? "modified" : "it was so already");
  return {};
}

Result<> drop(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(const Json reply, remote.write(service_of("DropCollection", *arguments.positional(0)), Json::object()));
  print_line(arguments.flag("json") ? reply.dump() : reply["dropped"].get<bool>() ? "dropped" : "there was none");
  return {};
}

Result<> stats(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  const auto collection = arguments.positional(0);
  DISTRI_TRY(const Json reply,
             remote.read(collection ? service_of("CollectionStats", *collection) : std::string("DatabaseStats"), {}));
  print_line(reply.dump(arguments.flag("json") ? -1 : 2));
  return {};
}

Result<> create_index(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(Json key, parse_json(*arguments.positional(1), "KEY"));
  Json params{{"key", std::move(key)}};
  if (const auto name = arguments.text("name")) params["name"] = *name;
  if (arguments.flag("unique")) params["unique"] = true;
  if (arguments.flag("sparse")) params["sparse"] = true;
  DISTRI_TRY(Json partial, json_option(arguments, "partial"));
  if (!partial.is_null()) params["partialFilterExpression"] = std::move(partial);
  if (const auto after = arguments.text("expire-after")) {
    auto ms = parse_duration_ms(*after);
    if (!ms) return fail(Code::kInvalidArgument, "--expire-after: {}", ms.error().message);
    if (*ms % 1'000 != 0) return fail(Code::kInvalidArgument, "--expire-after: must be whole seconds, not {}", *after);
    params["expireAfterSeconds"] = *ms / 1'000;
  }
  DISTRI_TRY(const Json reply, remote.write(service_of("CreateIndex", *arguments.positional(0)), params));
  print_line(arguments.flag("json") ? reply.dump() : shown(reply, "name"));
  return {};
}

Result<> drop_index(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  const Json params{{"name", *arguments.positional(1)}};
  DISTRI_TRY(const Json reply, remote.write(service_of("DropIndex", *arguments.positional(0)), params));
  print_line(arguments.flag("json") ? reply.dump() : fmt::format("{} dropped", shown(reply, "dropped")));
  return {};
}

Result<> indexes(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(const Json reply, remote.read(service_of("ListIndexes", *arguments.positional(0)), {}));
  if (arguments.flag("json")) {
    print_line(reply["indexes"].dump());
    return {};
  }
  std::vector<std::vector<std::string>> rows{{"NAME", "KEY", "READY", "ENTRIES", "BYTES"}};
  for (const Json& each : reply["indexes"]) {
    rows.push_back({shown(each, "name"), shown(each, "key"), shown(each, "ready"), shown(each, "entries"),
                    each.contains("bytes") ? shown_bytes(each["bytes"].get<std::uint64_t>()) : "-"});
  }
  print_table(rows);
  return {};
}

Result<> conflicts(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  Json params{{"collection", *arguments.positional(0)}, {"limit", 1000}};
  std::vector<Json> all;
  for (;;) {
    DISTRI_TRY(const Json reply, remote.read("Conflicts", params));
    for (const Json& each : reply["conflicts"]) all.push_back(each);
    if (!reply["more"].get<bool>() || reply["conflicts"].empty()) break;
    params["after"] = reply["conflicts"].back()["id"];
  }
  print_documents(arguments, all);
  return {};
}

Result<> resolve(const Arguments& arguments, const char* action) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  const Json params{{"collection", *arguments.positional(0)}, {"action", action}, {"id", *arguments.positional(1)}};
  DISTRI_TRY(const Json reply, remote.write("Conflicts", params));
  print_line(arguments.flag("json") ? reply.dump() : "done");
  return {};
}

Result<> restore_conflict(const Arguments& arguments) {
  return resolve(arguments, "restore");
}

Result<> dismiss_conflict(const Arguments& arguments) {
  return resolve(arguments, "dismiss");
}

}  // namespace

std::vector<Command> collection_commands() {
  const Option validator{"validator", "JSON", "a filter that documents must match: {\"$jsonSchema\": {...}}"};
  const Option level{"validation-level", "LEVEL", "which writes it is for",
                     Expects::kText,     false,   {"strict", "moderate", "off"}};
  const Option owner{"owner-field", "FIELD", "names the user who alone may write a document; \"\" stands for none"};
  const Option taker{"taker-field", "FIELD", "with --owner-field: names the user who may delete it as well"};
  const Positional conflict{"ID", "of the conflict, as 'distri db conflicts' shows it"};
  return {
      {"db collections", "list the collections", {}, with_remote({}), "", "distri db collections", collections},
      {"db create",
       "make a collection with settings (a first insert makes one without)",
       {kCollection},
       with_write({validator,
                   level,
                   owner,
                   taker,
                   {"capped", "BYTES", "the oldest documents go when they take more"},
                   {"max", "N", "with --capped: at most so many documents"}}),
       "",
       "distri db create log --capped 64MiB --max 100000\n"
       "distri db create people --validator '{\"name\": {\"$type\": \"string\"}}'\n"
       "distri db create notes --owner-field _id",
       create},
      {"db modify",
       "change a collection's settings",
       {kCollection},
       with_write({validator, level, owner, taker}),
       "",
       "distri db modify people --validator '{}'",
       modify},
      {"db drop",
       "remove a collection with its documents and indexes",
       {kCollection},
       with_write({}),
       "",
       "distri db drop log",
       drop},
      {"db stats",
       "documents and bytes, of a collection or of all",
       {{"COLLECTION", "its name; none: all", true}},
       with_remote({}),
       "",
       "distri db stats photos",
       stats},
      {"db indexes",
       "list the indexes of a collection",
       {kCollection},
       with_remote({}),
       "",
       "distri db indexes photos",
       indexes},
      {"db create-index",
       "make an index; each node builds it in the background",
       {kCollection, {"KEY", "{\"stars\": -1, \"name\": 1}"}},
       with_write({{"name", "NAME", "(default: made of the key)"},
                   {"unique", "", "no two documents with one key"},
                   {"sparse", "", "leave out documents without the field"},
                   {"partial", "JSON", "only documents that match this filter"},
                   {"expire-after", "TIME", "documents go so long after the date in the field"}}),
       "",
       "distri db create-index photos '{\"stars\": -1, \"name\": 1}'\n"
       "distri db create-index sessions '{\"seen\": 1}' --expire-after 1h",
       create_index},
      {"db drop-index",
       "remove an index",
       {kCollection, {"NAME", "of the index; *: all"}},
       with_write({}),
       "",
       "distri db drop-index photos stars_-1_name_1",
       drop_index},
      {"db conflicts",
       "show writes that lost to concurrent ones",
       {kCollection},
       with_remote({}),
       "",
       "distri db conflicts photos",
       conflicts},
      {"db restore-conflict",
       "write the content of a conflict again, and remove it",
       {kCollection, conflict},
       with_write({}),
       "",
       "distri db restore-conflict photos ID",
       restore_conflict},
      {"db dismiss-conflict",
       "remove a conflict",
       {kCollection, conflict},
       with_write({}),
       "",
       "distri db dismiss-conflict photos ID",
       dismiss_conflict},
  };
}

}  // namespace distri::cli
