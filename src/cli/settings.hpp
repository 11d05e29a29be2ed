// settings.hpp: what `distri serve` can be told, and the four places it can be told in.
//
// A setting has one name: --data-dir on the command line, DISTRI_DATA_DIR in the environment, data_dir in the file. The
// first place that names it counts, in this order; then the default. Values are texts in the first two, and in the file
// what TOML has for them. Errors: kInvalidArgument names the place (with line and column in a file), the setting, and
// what would be right. Threads: one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "distri/cli/command.hpp"
#include "distri/cloud/cloud_node.hpp"

namespace distri::cli {

struct ServeSettings {
  cloud::NodeConfig node;
  LogLevel log_level = LogLevel::kInfo;
  Bytes service_key;  // of Encrypt and Decrypt, 32 bytes; empty: nodes without one do not offer them
};

// A setting as it came out.
struct Origin {
  std::string name;    // "data-dir"
  std::string value;   // as text; of a secret only that it is set
  std::string source;  // "--data-dir", "DISTRI_DATA_DIR", "distri.toml:3", "default"
};

struct LoadedSettings {
  ServeSettings settings;
  std::vector<Origin> origins;  // of all, in the order of the help
};

// The options of the command, --config among them.
std::vector<Option> serve_options();

// `environment` gives the value of a variable, or nothing. Reads the file that --config or DISTRI_CONFIG names;
// kNotFound when there is none.
Result<LoadedSettings> load_settings(const Arguments& arguments,
                                     const std::function<std::optional<std::string>(const std::string&)>& environment);

}  // namespace distri::cli
