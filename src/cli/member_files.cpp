#include "distri/cli/member_files.hpp"

#include <filesystem>

#include "distri/cloud/cluster_setup.hpp"
#include "distri/utils/key_file.hpp"

namespace distri::cli {

Result<std::optional<MemberFiles>> read_member(const std::string& directory) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored)) {
    return fail(Code::kNotFound, "there is no data directory {}", directory);
  }
  DISTRI_TRY(auto table, cloud::read_member_table(directory));
  if (!table) return std::nullopt;
  DISTRI_TRY(SigningKey key, read_key_file(fmt::format("{}/{}", directory, cloud::kNodeKeyFile)));
  return MemberFiles{std::move(key), std::make_shared<const membership::MemberTable>(*std::move(table))};
}

}  // namespace distri::cli
