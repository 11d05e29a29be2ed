// remote.hpp: what the commands that ask nodes have in common: how nodes are found, how requests are made, how results
// are shown.
//
// Threads: one. Errors: the node's own, as they are; kInvalidArgument for words of the command line that are no JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "distri/cli/command.hpp"
#include "distri/client/client.hpp"

namespace distri::cli {

// Keeps fields in the order in which they were written.
using Json = nlohmann::ordered_json;

// `options`, and --nodes and --timeout behind them.
std::vector<Option> with_remote(std::vector<Option> options);
// The same, and --write-concern.
std::vector<Option> with_write(std::vector<Option> options);

// What a word of the command line holds; `name` is its name in errors. kInvalidArgument: it is no JSON, or not of that
// kind.
enum class Kind { kObject, kList, kAny };
Result<Json> parse_json(std::string_view text, std::string_view name, Kind kind = Kind::kObject);
// An option's value; null when it is not there.
Result<Json> json_option(const Arguments& arguments, std::string_view option, Kind kind = Kind::kObject);

class Remote {
 public:
  // By --nodes, DISTRI_NODES, or the default; kInvalidArgument.
  static Result<Remote> open(const Arguments& arguments);

  client::Client& client() { return *client_; }
  const client::CallOptions& options() const { return options_; }
  const std::vector<Address>& nodes() const { return nodes_; }
  // The reply, which is one document. A read is repeated where it must be; a write has a request id for that.
  Result<Json> read(std::string_view service, const Json& params, BytesView body = {});
  // With "w" from --write-concern.
  Result<Json> write(std::string_view service, Json params, BytesView body = {});

 private:
  Result<Json> ask(std::string_view service, const Json& params, BytesView body, bool idempotent);

  std::shared_ptr<client::Client> client_;
  std::vector<Address> nodes_;
  client::CallOptions options_;
  Json w_;
};

// "AddDocument<photos>".
std::string service_of(std::string_view service, std::string_view collection);

// One line each, or with --json one list.
void print_documents(const Arguments& arguments, const std::vector<Json>& documents);
void print_line(std::string_view line);
// Columns as wide as they must be; the first row is their heads.
void print_table(const std::vector<std::vector<std::string>>& rows);

// All of standard input, or of a file. kNotFound.
Result<Bytes> read_input(const std::string& path);

}  // namespace distri::cli
