// expression_dates.hpp: what the date operators share. Private to the module.
#pragma once

#include "distri/db/calendar.hpp"
#include "distri/db/expression_node.hpp"

namespace distri::db {

// Dates, ids and timestamps count as dates. 16006 otherwise. Precondition: not nullish.
Result<std::int64_t> date_of(std::string_view name, const bson::Value& value);

// Minutes east of UTC of argument `i`; 0 when it was not given. Precondition: not nullish when given.
Result<int> zone_of(const Call& call, std::size_t i);

// The same time, moved by a zone's offset; dates at the ends of 64 bits stay there.
std::int64_t local_ms(std::int64_t ms, int zone_minutes);

}  // namespace distri::db
