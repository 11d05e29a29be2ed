// report.hpp: `Stats` of all nodes as aligned tables. docs/services.md describes the document.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace example {

// Requests per node and in total, the services that did something, documents per collection, digests and version
// vectors. Nodes that did not answer ({"address", "error"}) are shown as such.
std::string render_report(const std::vector<nlohmann::json>& stats);

// Rows of equal length; the first is the heading. All columns but the first are right-aligned.
std::string render_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace example
