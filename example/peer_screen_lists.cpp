// What the lists show.
#include <fmt/format.h>

#include <algorithm>

#include "peer_screen.hpp"

namespace example {

using distri::peer::Holding;

// The selected row stays selected, wherever it is now; one that is gone leaves its place to the next.
void PeerScreen::set_rows(List list, std::vector<Row> rows) {
  Table& table = tables_[list];
  if (table.selected < table.rows.size()) {
    const auto found = std::ranges::find(rows, table.rows[table.selected].key, &Row::key);
    if (found != rows.end()) table.selected = static_cast<std::size_t>(found - rows.begin());
  }
  table.rows = std::move(rows);
  table.selected = std::min(table.selected, table.rows.empty() ? 0 : table.rows.size() - 1);
}

void PeerScreen::lists(PeerLists lists) {
  now_ = std::move(lists);
  decltype(asked_for_) asked;
  for (const auto& each : now_.inbox) {
    asked[{each.request.to.hex(), each.request.resource}] = distri::peer::state_name(each.state);
  }
  if (std::exchange(asked_for_, std::move(asked)) != asked_for_) fill_offers();
  fill_inbox();
  fill_pending();
  fill_shared();
  fill_yours();
}

void PeerScreen::catalog(distri::peer::Catalog catalog) {
  catalog_ = std::move(catalog);
  fill_offers();
}

void PeerScreen::fill_offers() {
  tables_[kOffers].headings = {"image", "of", "kind", "pixels", "bytes", "your request"};
  if (!catalog_) return;
  std::vector<Row> rows;
  for (const auto& each : catalog_->offers) {
    Row row;
    row.about.peer = each.entry.owner.hex();
    row.about.peer_name = each.owner_name;
    row.about.image = each.entry.name;
    row.key = row.about.peer + "/" + each.entry.name;
    const auto asked = asked_for_.find({row.about.peer, each.entry.name});
    row.cells = {each.entry.name,
                 each.owner_name,
                 each.entry.kind,
                 fmt::format("{}x{}", each.entry.width, each.entry.height),
                 std::to_string(each.entry.bytes),
                 asked == asked_for_.end() ? "" : asked->second};
    rows.push_back(std::move(row));
  }
  set_rows(kOffers, std::move(rows));
}

void PeerScreen::fill_inbox() {
  tables_[kInbox].headings = {"image", "of", "state", "asked", "granted", "left", "picture", "request"};
  std::map<distri::peer::GrantId, const distri::peer::AvailableResource*> available;
  for (const auto& each : now_.available) available[each.grant.id] = &each;
  std::vector<Row> rows;
  for (const auto& each : now_.inbox) {
    const auto found = available.find(each.request.id);
    Row row;
    row.about.id = each.request.id;
    row.about.peer = each.request.to.hex();
    row.about.peer_name = each.to;
    row.about.image = each.request.resource;
    row.key = each.request.id.hex();
    row.state = distri::peer::state_name(each.state);
    row.granted = found != available.end();
    row.cells = {each.request.resource, each.to, row.state, std::to_string(each.request.views)};
    if (row.granted) {
      row.views = found->second->grant.views;
      row.left = row.views - std::min(row.views, found->second->used);
      row.cells.push_back(std::to_string(row.views));
      row.cells.push_back(std::to_string(row.left));
      row.cells.push_back(found->second->picture_here ? "here" : "on its way");
    } else {
      row.cells.insert(row.cells.end(), 3, "");
    }
    row.cells.push_back(each.request.id.short_hex());
    rows.push_back(std::move(row));
  }
  std::ranges::reverse(rows);  // the newest first
  set_rows(kInbox, std::move(rows));
}

void PeerScreen::fill_pending() {
  tables_[kPending].headings = {"image", "for", "views", "request"};
  std::vector<Row> rows;
  for (const auto& each : now_.pending) {
    Row row;
    row.about.id = each.request.id;
    row.about.peer = each.request.owner.hex();
    row.about.peer_name = each.from;
    row.about.image = each.request.resource;
    row.key = each.request.id.hex();
    row.views = each.request.views;
    row.cells = {each.request.resource, each.from, std::to_string(row.views), each.request.id.short_hex()};
    rows.push_back(std::move(row));
  }
  set_rows(kPending, std::move(rows));
}

void PeerScreen::fill_shared() {
  tables_[kShared].headings = {"image", "for", "views", "used", "in the cloud", "left", "grant"};
  std::vector<Row> rows;
  for (const auto& each : now_.shared) {
    Row row;
    row.about.id = each.grant.id;
    row.about.peer = each.grant.to.hex();
    row.about.peer_name = each.viewer_name;
    row.about.image = each.grant.resource;
    row.key = each.grant.id.hex();
    row.views = each.grant.views;
    row.cells = {each.grant.resource,
                 each.viewer_name,
                 std::to_string(row.views),
                 std::to_string(each.used),
                 std::to_string(each.in_escrow),
                 std::to_string(each.remaining),
                 each.grant.id.short_hex()};
    rows.push_back(std::move(row));
  }
  std::ranges::sort(rows, {},
                    [](const Row& each) { return std::tie(each.about.peer_name, each.about.image, each.key); });
  set_rows(kShared, std::move(rows));
}

void PeerScreen::fill_yours() {
  tables_[kYours].headings = {"image", "kind", "pixels", "bytes", "requests", "granted to"};
  std::map<std::string, std::size_t> pending, granted;
  for (const auto& each : now_.pending) ++pending[each.request.resource];
  for (const auto& each : now_.shared) ++granted[each.grant.resource];
  std::vector<Row> rows;
  for (const auto& each : now_.offered) {
    Row row;
    row.about.image = row.key = each.name;
    row.cells = {each.name,
                 each.kind,
                 fmt::format("{}x{}", each.width, each.height),
                 std::to_string(each.bytes),
                 std::to_string(pending[each.name]),
                 std::to_string(granted[each.name])};
    rows.push_back(std::move(row));
  }
  set_rows(kYours, std::move(rows));
}

}  // namespace example
