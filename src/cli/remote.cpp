#include "distri/cli/remote.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "distri/cli/member_files.hpp"
#include "distri/cli/units.hpp"
#include "distri/net/tls.hpp"
#include "distri/utils/key_file.hpp"

namespace distri::cli {
namespace {

constexpr std::string_view kDefaultNodes = "127.0.0.1:3000";

std::optional<std::string> option_or_variable(const Arguments& arguments, std::string_view option,
                                              const char* variable) {
  if (auto text = arguments.text(option)) return text;
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

// What --token, --key and --cluster say. What stands on the command line goes before variables of the environment, so
// that --data-dir is not overruled by a token that happens to be there.
Result<client::ClientOptions> credentials_of(const Arguments& arguments) {
  client::ClientOptions options;
  const auto key = arguments.text("key");
  if (arguments.flag("data-dir") && (key || arguments.flag("token"))) {
    return fail(Code::kInvalidArgument, "--data-dir shows the key of a member; leave out {}",
                key ? "--key" : "--token");
  }
  if (arguments.flag("data-dir")) return options;
  if (key) {
    DISTRI_TRY(const SigningKey read, read_key_file(*key));
    DISTRI_TRY(options.tls, net::Tls::with_key(read));
  } else {
    options.token = option_or_variable(arguments, "token", "DISTRI_TOKEN").value_or("");
  }
  options.cluster = option_or_variable(arguments, "cluster", "DISTRI_CLUSTER").value_or("");
  if (key && options.cluster.empty()) {
    return fail(Code::kInvalidArgument, "--key needs --cluster, the id that 'distri members' and 'cluster init' show");
  }
  return options;
}

// The key of a node of this machine, and whom it knows as members.
Result<> show_member(const MemberFiles& member, client::ClientOptions& options) {
  DISTRI_TRY(options.tls, net::Tls::with_key(member.key));
  options.trust = [table = member.table](const NodeId& node) -> Result<> {
    if (table->is_member(node)) return {};
    return fail(Code::kUnauthenticated, "the node there is {}, which is no member of cluster {}", node.short_hex(),
                table->cluster().short_hex());
  };
  return {};
}

}  // namespace

std::vector<Option> with_remote(std::vector<Option> options) {
  options.push_back(
      {"nodes", "A,B",
       "addresses of nodes; the others are learned from them (default: $DISTRI_NODES, else 127.0.0.1:3000)"});
  options.push_back(
      {"data-dir", "DIR",
       "of a node of a cluster with keys: its key is shown, and only members of its cluster are spoken to "
       "(default: $DISTRI_DATA_DIR)",
       Expects::kDirectory});
  options.push_back({"token", "TOKEN",
                     "what 'distri token create' has printed; better in $DISTRI_TOKEN, as a command line can be seen"});
  options.push_back({"key", "FILE", "of a user: the key that is shown; needs --cluster", Expects::kFile});
  options.push_back({"cluster", "ID", "only nodes of this cluster are spoken to (default: $DISTRI_CLUSTER)"});
  options.push_back({"timeout", "TIME", "how long it may take (default: 30s)"});
  return options;
}

std::vector<Option> with_write(std::vector<Option> options) {
  options.push_back({"write-concern",
                     "W",
                     "how many members must hold it: a number, majority or all (default: 1)",
                     Expects::kText,
                     false,
                     {"1", "majority", "all"}});
  return with_remote(std::move(options));
}

Result<Json> parse_json(std::string_view text, std::string_view name, Kind kind) {
  Json value;
  try {
    value = Json::parse(text);
  } catch (const Json::parse_error& error) {
    return fail(Code::kInvalidArgument, "{} is no JSON (at byte {}): {}", name, error.byte, text.substr(0, 80));
  }
  if (kind == Kind::kObject && !value.is_object()) {
    return fail(Code::kInvalidArgument, "{} must be an object, such as {{\"a\": 1}}, not {}", name, text.substr(0, 80));
  }
  if (kind == Kind::kList && !value.is_array()) {
    return fail(Code::kInvalidArgument, "{} must be a list, such as [{{\"a\": 1}}], not {}", name, text.substr(0, 80));
  }
  return value;
}

Result<Json> json_option(const Arguments& arguments, std::string_view option, Kind kind) {
  const auto text = arguments.text(option);
  if (!text) return Json();
  return parse_json(*text, fmt::format("--{}", option), kind);
}

Result<Remote> Remote::open(const Arguments& arguments) {
  Remote remote;
  auto nodes = arguments.text("nodes");
  std::string_view source = "--nodes";
  if (const char* variable = std::getenv("DISTRI_NODES"); !nodes && variable != nullptr) {
    nodes = variable;
    source = "DISTRI_NODES";
  }
  auto addresses = parse_addresses(nodes.value_or(std::string(kDefaultNodes)));
  if (!addresses) return fail(Code::kInvalidArgument, "{}: {}", source, addresses.error().message);
  remote.nodes_ = *std::move(addresses);
  if (const auto timeout = arguments.text("timeout")) {
    auto ms = parse_duration_ms(*timeout);
    if (!ms || *ms < 1) {
      return fail(Code::kInvalidArgument, "--timeout: {}", ms ? "must be more than 0" : ms.error().message);
    }
    remote.options_.timeout_ms = *ms;
  }
  if (const auto w = arguments.text("write-concern")) {
    const bool number =
        !w->empty() && w->size() < 6 && std::all_of(w->begin(), w->end(), [](char c) { return c >= '0' && c <= '9'; });
    remote.w_ = number ? Json(std::stoi(*w)) : Json(*w);
  }
  DISTRI_TRY(client::ClientOptions options, credentials_of(arguments));
  if (!options.tls && options.token.empty() && options.cluster.empty()) {
    if (const auto directory = option_or_variable(arguments, "data-dir", "DISTRI_DATA_DIR")) {
      DISTRI_TRY(const auto member, read_member(*directory));
      if (member) {
        DISTRI_TRY_VOID(show_member(*member, options));
        const auto* self = member->table->member(member->key.public_key());
        if (!nodes && self != nullptr && !self->addresses.empty()) remote.nodes_ = self->addresses;
      }
    }
  }
  remote.client_ = std::make_shared<client::Client>(remote.nodes_, options);
  return remote;
}

Result<Json> Remote::ask(std::string_view service, const Json& params, BytesView body, bool idempotent) {
  client::CallOptions options = options_;
  options.idempotent = idempotent;
  DISTRI_TRY(
      const client::Reply reply,
      client_->call_encoded(body, service, params.is_null() || params.empty() ? Bytes() : params.dump(), options));
  try {
    return Json::parse(reply.body);
  } catch (const Json::parse_error&) {
    return fail(Code::kProtocolError, "{} answered {} with something that is no JSON", to_string(reply.node), service);
  }
}

Result<Json> Remote::read(std::string_view service, const Json& params, BytesView body) {
  return ask(service, params, body, true);
}

Result<Json> Remote::write(std::string_view service, Json params, BytesView body) {
  if (!w_.is_null()) params["w"] = w_;
  return ask(service, params, body, false);
}

std::string service_of(std::string_view service, std::string_view collection) {
  return fmt::format("{}<{}>", service, collection);
}

void print_line(std::string_view line) {
  fmt::print("{}\n", line);
}

void print_documents(const Arguments& arguments, const std::vector<Json>& documents) {
  if (arguments.flag("json")) return print_line(Json(documents).dump());
  for (const Json& document : documents) print_line(document.dump());
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    print_line(line);
  }
}

Result<Bytes> read_input(const std::string& path) {
  const bool standard = path == "-";
  std::FILE* const file = standard ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) return fail(Code::kNotFound, "cannot read {}: {}", path, std::strerror(errno));
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> closer(standard ? nullptr : file, &std::fclose);
  Bytes bytes;
  char buffer[1 << 16];
  for (std::size_t size = 0; (size = std::fread(buffer, 1, sizeof buffer, file)) > 0;) bytes.append(buffer, size);
  if (std::ferror(file) != 0) return fail(Code::kStorageFailed, "cannot read {}: {}", path, std::strerror(errno));
  return bytes;
}

}  // namespace distri::cli
