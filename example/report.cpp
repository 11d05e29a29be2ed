#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "figures.hpp"

namespace example {
namespace {

using nlohmann::json;
using Row = std::vector<std::string>;

constexpr const char* kSums[] = {"received", "accepted", "completed", "failed", "busy", "in_flight"};
constexpr const char* kTimes[] = {"average_us", "p50_us", "p99_us"};
constexpr std::size_t kDigestDigits = 16;

// A missing or odd field shows as "-": a newer or older node must not end the report.
std::string number(const json& object, const char* name) {
  return object.is_object() && object.contains(name) && object[name].is_number() ? object[name].dump() : "-";
}

std::int64_t integer(const json& object, const char* name) {
  return object.is_object() && object.contains(name) && object[name].is_number() ? object[name].get<std::int64_t>() : 0;
}

json part(const json& stats, const char* name) {
  const auto at = stats.find(name);
  return at == stats.end() ? json() : *at;
}

std::string text(const json& stats, const char* name) {
  const json value = part(stats, name);
  return value.is_string() ? value.get<std::string>() : "-";
}

Row request_row(const std::string& name, const json& counters) {
  Row row{name};
  for (const char* field : kSums) row.push_back(number(counters, field));
  for (const char* field : kTimes) {
    row.push_back(number(counters, field) == "-" ? "-" : human_duration(integer(counters, field)));
  }
  return row;
}

// Sums, the mean weighted by what was completed, and no percentiles: those cannot be added up.
Row total_row(const std::vector<json>& counters) {
  Row row{"total"};
  for (const char* field : kSums) {
    std::int64_t sum = 0;
    for (const json& one : counters) sum += integer(one, field);
    row.push_back(std::to_string(sum));
  }
  std::int64_t completed = 0;
  std::int64_t us = 0;
  for (const json& one : counters) {
    completed += integer(one, "completed");
    us += integer(one, "completed") * integer(one, "average_us");
  }
  row.push_back(human_duration(completed == 0 ? 0 : us / completed));
  row.insert(row.end(), 2, "");
  return row;
}

std::vector<Row> request_rows(const std::vector<json>& stats) {
  std::vector<Row> rows{
      {"node", "requests", "accepted", "completed", "failed", "busy", "in flight", "average", "p50", "p99"}};
  std::vector<json> counters;
  for (const json& node : stats) {
    if (node.contains("error")) continue;
    counters.push_back(part(node, "requests"));
    rows.push_back(request_row(text(node, "address"), counters.back()));
  }
  rows.push_back(total_row(counters));
  return rows;
}

std::vector<Row> service_rows(const std::vector<json>& stats) {
  std::vector<Row> rows{
      {"service at node", "requests", "accepted", "completed", "failed", "busy", "in flight", "average", "p50", "p99"}};
  for (const json& node : stats) {
    const json services = part(node, "services");
    if (!services.is_object()) continue;
    for (const auto& [name, counters] : services.items()) {
      if (integer(counters, "received") > 0)
        rows.push_back(request_row(fmt::format("{} at {}", name, text(node, "address")), counters));
    }
  }
  std::sort(rows.begin() + 1, rows.end());
  return rows;
}

std::vector<Row> collection_rows(const std::vector<json>& stats) {
  std::set<std::string> names;
  std::map<std::string, std::map<std::string, std::string>> documents;  // node -> collection -> count
  for (const json& node : stats) {
    const json collections = part(node, "collections");
    if (!collections.is_array()) continue;
    for (const json& collection : collections) {
      const std::string name = text(collection, "name");
      names.insert(name);
      documents[text(node, "address")][name] = number(collection, "documents");
    }
  }
  std::vector<Row> rows{{"documents at node"}};
  rows[0].insert(rows[0].end(), names.begin(), names.end());
  for (const json& node : stats) {
    if (node.contains("error")) continue;
    Row row{text(node, "address")};
    auto& counts = documents[row[0]];
    for (const std::string& name : names) row.push_back(counts.contains(name) ? counts[name] : "0");
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string version_lines(const std::vector<json>& stats) {
  std::string out;
  for (const json& node : stats) {
    if (node.contains("error")) {
      out += fmt::format("{}  does not answer: {}\n", text(node, "address"), text(node, "error"));
      continue;
    }
    std::string vector;
    const json counters = part(node, "vector");
    if (counters.is_object()) {
      for (const auto& [actor, counter] : counters.items())
        vector += fmt::format(" {}:{}", actor.substr(0, 8), counter.dump());
    }
    out += fmt::format("{}  digest {}  version vector{}\n", text(node, "address"),
                       text(node, "digest").substr(0, kDigestDigits), vector.empty() ? " (no writes)" : vector);
  }
  return out;
}

}  // namespace

std::string render_table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line = fmt::format("{:<{}}", rows[r][0], widths[0]);
    for (std::size_t i = 1; i < rows[r].size(); ++i) line += fmt::format("  {:>{}}", rows[r][i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
    if (r == 0) out += std::string(line.size(), '-') + "\n";
  }
  return out;
}

std::string render_report(const std::vector<json>& stats) {
  std::string out = render_table(request_rows(stats)) + "\n";
  if (const auto services = service_rows(stats); services.size() > 1) out += render_table(services) + "\n";
  if (const auto collections = collection_rows(stats); collections[0].size() > 1)
    out += render_table(collections) + "\n";
  return out + version_lines(stats);
}

}  // namespace example
