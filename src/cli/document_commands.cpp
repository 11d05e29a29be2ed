// Commands that read and write documents.
#include <csignal>
#include <sstream>

#include "distri/cli/command_groups.hpp"
#include "distri/cli/remote.hpp"

namespace distri::cli {
namespace {

constexpr std::size_t kBulkDocuments = 1'000;
constexpr std::size_t kBulkBytes = 4u << 20;
constexpr std::uint64_t kAll = UINT64_MAX;

const Positional kCollection{"COLLECTION", "its name"};
const Positional kFilter{"FILTER", "MongoDB's query language: {\"stars\": {\"$gte\": 4}}; {}: all", true};
const Option kSort{"sort", "JSON", "{\"stars\": -1, \"name\": 1}"};

// Parameters with what is set among the options, by their names in the service.
Result<Json> params_of(const Arguments& arguments, std::initializer_list<std::pair<const char*, Kind>> json_options) {
  Json params = Json::object();
  for (const auto& [name, kind] : json_options) {
    DISTRI_TRY(Json value, json_option(arguments, name, kind));
    if (!value.is_null()) params[name] = std::move(value);
  }
  return params;
}

Result<> add_filter(const Arguments& arguments, std::size_t index, Json& params) {
  if (const auto text = arguments.positional(index)) {
    DISTRI_TRY(params["filter"], parse_json(*text, "FILTER"));
  }
  return {};
}

// All pages of a service that gives documents and a cursor, each document as it comes; at most `limit`.
Result<> print_pages(const Arguments& arguments, Remote& remote, const std::string& service, Json params,
                     BytesView body, std::uint64_t limit) {
  std::vector<Json> all;
  std::uint64_t shown = 0;
  for (;;) {
    DISTRI_TRY(Json page, remote.read(service, params, body));
    for (Json& document : page["documents"]) {
      if (shown++ == limit) break;
      if (arguments.flag("json")) {
        all.push_back(std::move(document));
      } else {
        print_line(document.dump());
      }
    }
    if (!page.contains("cursor") || shown >= limit) break;
    params["cursor"] = page["cursor"];
  }
  if (arguments.flag("json")) print_documents(arguments, all);
  return {};
}

Result<> find(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(Json params, params_of(arguments, {{"sort", Kind::kAny}, {"projection", Kind::kObject}}));
  DISTRI_TRY_VOID(add_filter(arguments, 1, params));
  DISTRI_TRY(const std::uint64_t limit, arguments.number("limit", 0, 0, kAll));
  DISTRI_TRY(const std::uint64_t skip, arguments.number("skip", 0, 0, INT64_MAX));
  if (limit > 0) params["limit"] = limit;
  if (skip > 0) params["skip"] = skip;
  if (const auto hint = arguments.text("hint")) params["hint"] = *hint;
  const std::string collection = *arguments.positional(0);
  if (arguments.flag("explain")) {
    DISTRI_TRY(const Json plan, remote.read(service_of("Explain", collection), params));
    print_line(plan.dump(arguments.flag("json") ? -1 : 2));
    return {};
  }
  return print_pages(arguments, remote, service_of("ReadCollection", collection), params, {},
                     limit == 0 ? kAll : limit);
}

// A word that is JSON as it is; else it is the text itself, so that plain names need no quotes in quotes.
Json id_of_word(const std::string& word) {
  Json parsed = Json::parse(word, nullptr, false);
  return parsed.is_discarded() ? Json(word) : parsed;
}

Result<> get(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  const std::string word = *arguments.positional(1);
  const Json params{{"filter", {{"_id", {{"$eq", id_of_word(word)}}}}}};
  DISTRI_TRY(const Json page, remote.read(service_of("ReadCollection", *arguments.positional(0)), params));
  if (page["documents"].empty()) {
    return fail(Code::kNotFound, "collection '{}' has no document with the _id {}", *arguments.positional(0), word);
  }
  print_line(page["documents"][0].dump());
  return {};
}

Result<> insert_lines(const Arguments& arguments, Remote& remote, const std::string& collection) {
  DISTRI_TRY(const Bytes input, read_input("-"));
  std::istringstream lines(input);
  std::uint64_t inserted = 0;
  std::uint64_t line_number = 0;
  std::vector<std::uint64_t> numbers;
  std::string operations;
  const auto send = [&]() -> Result<> {
    if (numbers.empty()) return {};
    const std::string body = fmt::format("{{\"operations\":[{}]}}", operations);
    DISTRI_TRY(const Json reply, remote.write(service_of("BulkWrite", collection), Json::object(), body));
    inserted += reply["inserted"].get<std::uint64_t>();
    if (reply.contains("first_failed")) {
      const auto failed = reply["first_failed"].get<std::size_t>();
      const Json& error = reply["results"][failed]["error"];
      return fail(Code::kInvalidArgument, "line {}: {}; the {} documents before it are inserted", numbers[failed],
                  error["message"].get<std::string>(), inserted);
    }
    numbers.clear();
    operations.clear();
    return {};
  };
  for (std::string line; std::getline(lines, line);) {
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    // Checked here, so that the error names the line.
    if (const auto parsed = parse_json(line, fmt::format("line {}", line_number)); !parsed) {
      DISTRI_TRY_VOID(send());
      return fail(parsed.error().code, "{}; the {} documents before it are inserted", parsed.error().message, inserted);
    }
    operations += fmt::format("{}{{\"insertOne\":{{\"document\":{}}}}}", numbers.empty() ? "" : ",", line);
    numbers.push_back(line_number);
    if (numbers.size() == kBulkDocuments || operations.size() > kBulkBytes) DISTRI_TRY_VOID(send());
  }
  DISTRI_TRY_VOID(send());
  print_line(arguments.flag("json") ? Json{{"inserted", inserted}}.dump() : fmt::format("{} inserted", inserted));
  return {};
}

Result<> insert(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  const std::string collection = *arguments.positional(0);
  const auto documents = arguments.positionals(1);
  if (documents.empty() || documents == std::vector<std::string>{"-"})
    return insert_lines(arguments, remote, collection);
  for (const std::string& document : documents) DISTRI_TRY_VOID(parse_json(document, "DOCUMENT"));
  std::vector<Json> ids;
  for (const std::string& document : documents) {
    DISTRI_TRY(const Json reply, remote.write(service_of("AddDocument", collection), Json::object(), document));
    ids.push_back(reply["_id"]);
  }
  print_documents(arguments, ids);
  return {};
}

Result<> show_outcome(const Arguments& arguments, const Json& reply) {
  if (arguments.flag("json")) {
    print_line(reply.dump());
    return {};
  }
  std::vector<std::string> parts;
  for (const auto& [name, value] : reply.items()) {
    if (value.is_number()) parts.push_back(fmt::format("{} {}", value.dump(), name));
  }
  if (reply.contains("upserted_id")) parts.push_back(fmt::format("inserted {}", reply["upserted_id"].dump()));
  print_line(fmt::format("{}", fmt::join(parts, ", ")));
  return {};
}

Result<Bytes> update_body(const Arguments& arguments) {
  DISTRI_TRY_VOID(parse_json(*arguments.positional(2), "UPDATE"));
  return Bytes(*arguments.positional(2));  // as it was written: it may be large, and its fields have an order
}

Result<> update(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(Json params, params_of(arguments, {{"array-filters", Kind::kList}}));
  if (params.contains("array-filters")) params = {{"arrayFilters", params["array-filters"]}};
  DISTRI_TRY_VOID(add_filter(arguments, 1, params));
  DISTRI_TRY(const Bytes body, update_body(arguments));
  if (arguments.flag("multi")) params["multi"] = true;
  if (arguments.flag("upsert")) params["upsert"] = true;
  DISTRI_TRY(const Json reply, remote.write(service_of("UpdateDocument", *arguments.positional(0)), params, body));
  return show_outcome(arguments, reply);
}

Result<> remove(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  Json params = Json::object();
  DISTRI_TRY_VOID(add_filter(arguments, 1, params));
  if (arguments.flag("all")) params["all"] = true;
  DISTRI_TRY(const Json reply, remote.write(service_of("DeleteDocument", *arguments.positional(0)), params));
  return show_outcome(arguments, reply);
}

Result<> find_and_modify(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(Json params, params_of(arguments, {{"sort", Kind::kAny}, {"projection", Kind::kObject}}));
  DISTRI_TRY_VOID(add_filter(arguments, 1, params));
  Bytes body;
  if (arguments.flag("remove")) {
    params["remove"] = true;
  } else if (!arguments.positional(2)) {
    return fail(Code::kInvalidArgument, "UPDATE is missing; give what to change, or --remove");
  }
  if (arguments.positional(2)) {
    DISTRI_TRY(body, update_body(arguments));
  }
  if (arguments.flag("upsert")) params["upsert"] = true;
  if (arguments.flag("after")) params["return"] = "after";
  DISTRI_TRY(const Json reply, remote.write(service_of("FindAndModify", *arguments.positional(0)), params, body));
  print_line(arguments.flag("json") ? reply.dump() : reply["document"].dump());
  return {};
}

Result<> count(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  Json params = Json::object();
  DISTRI_TRY_VOID(add_filter(arguments, 1, params));
  DISTRI_TRY(const Json reply, remote.read(service_of("Count", *arguments.positional(0)), params));
  print_line(arguments.flag("json") ? reply.dump() : reply["count"].dump());
  return {};
}

Result<> distinct(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  Json params{{"field", *arguments.positional(1)}};
  DISTRI_TRY_VOID(add_filter(arguments, 2, params));
  DISTRI_TRY(const Json reply, remote.read(service_of("Distinct", *arguments.positional(0)), params));
  print_documents(arguments, reply["values"]);
  return {};
}

bool writes(const Json& pipeline) {
  if (pipeline.empty() || !pipeline.back().is_object()) return false;
  return pipeline.back().contains("$out") || pipeline.back().contains("$merge");
}

Result<> aggregate(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  DISTRI_TRY(const Json pipeline, parse_json(*arguments.positional(1), "PIPELINE", Kind::kList));
  const std::string service = service_of("Aggregate", *arguments.positional(0));
  const std::string body = fmt::format("{{\"pipeline\":{}}}", *arguments.positional(1));
  if (!writes(pipeline)) return print_pages(arguments, remote, service, Json::object(), body, kAll);
  DISTRI_TRY(const Json reply, remote.write(service, Json::object(), body));
  return show_outcome(arguments, reply);
}

// ---- watch

volatile std::sig_atomic_t interrupted = 0;

Result<> watch(const Arguments& arguments) {
  DISTRI_TRY(Remote remote, Remote::open(arguments));
  constexpr std::int64_t kLookMs = 200;
  client::WatchOptions options;
  DISTRI_TRY(const Json filter, json_option(arguments, "filter"));
  if (!filter.is_null()) options.filter = nlohmann::json::parse(filter.dump());
  options.update_lookup = arguments.flag("full");
  options.resume_after = arguments.text("resume").value_or("");
  options.page_events = 1;  // so that the token at the end is behind the last event shown
  DISTRI_TRY(const std::uint64_t most, arguments.number("count", kAll, 1, kAll));
  const auto collection = arguments.positional(0);
  auto opened = collection ? remote.client().collection(*collection).watch(options) : remote.client().watch(options);
  DISTRI_TRY(client::ChangeStream changes, std::move(opened));
  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  fmt::print(stderr, "watching; interrupt to end\n");
  for (std::uint64_t shown = 0; shown < most && interrupted == 0;) {
    auto change = changes.next(kLookMs);
    if (!change && change.error().code == Code::kDeadlineExceeded) continue;
    DISTRI_TRY(const auto event, std::move(change));
    if (!event) continue;
    print_line(event->dump());
    std::fflush(stdout);
    ++shown;
  }
  fmt::print(stderr, "go on from here: --resume {}\n", changes.token());
  return {};
}

}  // namespace

std::vector<Command> document_commands() {
  const Option projection{"projection", "JSON", "{\"name\": 1, \"_id\": 0}"};
  const Positional update_argument{"UPDATE", "operators ({\"$set\": {\"a\": 1}}) or a whole document"};
  return {
      {"db find",
       "show documents, one per line",
       {kCollection, kFilter},
       with_remote({kSort,
                    projection,
                    {"limit", "N", "at most so many; 0: all"},
                    {"skip", "N", "leave out the first"},
                    {"hint", "INDEX", "use this index; $natural: none"},
                    {"explain", "", "say how it would be done, instead"}}),
       "",
       "distri db find photos\n"
       "distri db find photos '{\"stars\": {\"$gte\": 4}}' --sort '{\"stars\": -1}' --limit 10\n"
       "distri db find photos '{\"stars\": 5}' --explain",
       find},
      {"db get",
       "show one document",
       {kCollection, {"ID", "its _id, as JSON or as plain text: dune, 7, {\"$oid\": \"...\"}"}},
       with_remote({}),
       "",
       "distri db get photos dune",
       get},
      {"db insert",
       "insert documents and show their _id",
       {kCollection, {"DOCUMENT", "JSON; none or -: one per line of standard input", true, true}},
       with_write({}),
       "From standard input they go in parts of 1,000, in order; the first that is refused ends it.",
       "distri db insert photos '{\"_id\": \"dune\", \"stars\": 5}' '{\"stars\": 3}'\n"
       "distri db insert photos < photos.ndjson\n"
       "distri db insert orders '{\"item\": \"bolt\"}' --write-concern majority",
       insert},
      {"db update",
       "change the first document that matches, or all",
       {kCollection, {"FILTER", "which; {}: any"}, update_argument},
       with_write({{"multi", "", "all that match"},
                   {"upsert", "", "insert one when none matches"},
                   {"array-filters", "JSON", "for $[name]: [{\"name\": ...}]"}}),
       "",
       "distri db update photos '{\"_id\": \"dune\"}' '{\"$inc\": {\"views\": 1}}'\n"
       "distri db update photos '{\"stars\": 5}' '{\"$set\": {\"best\": true}}' --multi",
       update},
      {"db modify-one",
       "change or remove one document, and show it as it was",
       {kCollection, {"FILTER", "which; {}: any"}, {"UPDATE", "operators or a whole document", true}},
       with_write({kSort,
                   projection,
                   {"after", "", "show it as it is afterwards"},
                   {"remove", "", "remove it, instead"},
                   {"upsert", "", "insert one when none matches"}}),
       "",
       "distri db modify-one jobs '{\"state\": \"new\"}' '{\"$set\": {\"state\": \"taken\"}}' --sort '{\"_id\": 1}'",
       find_and_modify},
      {"db delete",
       "delete all documents that match",
       {kCollection, kFilter},
       with_write({{"all", "", "all documents of the collection"}}),
       "",
       "distri db delete photos '{\"stars\": {\"$lt\": 2}}'",
       remove},
      {"db count",
       "how many documents match",
       {kCollection, kFilter},
       with_remote({}),
       "",
       "distri db count photos",
       count},
      {"db distinct",
       "the values of a field, each once",
       {kCollection, {"FIELD", "a dotted path"}, kFilter},
       with_remote({}),
       "",
       "distri db distinct photos tags",
       distinct},
      {"db aggregate",
       "run a pipeline and show its results, one per line",
       {kCollection, {"PIPELINE", "a list of stages"}},
       with_write({}),
       "",
       "distri db aggregate photos '[{\"$unwind\": \"$tags\"}, {\"$sortByCount\": \"$tags\"}]'",
       aggregate},
      {"db watch",
       "show changes as they happen, one per line",
       {{"COLLECTION", "its name; none: all collections", true}},
       with_remote({{"filter", "JSON", "on the event: {\"operationType\": \"insert\"}"},
                    {"full", "", "with the whole document at updates"},
                    {"resume", "TOKEN", "go on where another watch ended, at any node"},
                    {"count", "N", "end after so many"}}),
       "When it ends it says, on standard error, the token to go on with.",
       "distri db watch photos --full",
       watch},
  };
}

}  // namespace distri::cli
