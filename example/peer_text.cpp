#include "peer_text.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "report.hpp"

namespace example {
namespace {

using distri::peer::PeerEvent;
using nlohmann::json;
using Kind = PeerEvent::Kind;
using Rows = std::vector<std::vector<std::string>>;

constexpr std::size_t kIdDigits = 8;

// Without control characters, those of two bytes in UTF-8 included.
std::string clean(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0u;
    if (c < 0x20 || c == 0x7f) text[i] = '?';
    if (c == 0xc2 && next >= 0x80 && next < 0xa0) text.replace(i, 2, "?");
  }
  return text;
}

std::string text(const json& document, const char* name) {
  const auto at = document.find(name);
  if (at == document.end()) return "";
  return at->is_string() ? clean(at->get<std::string>()) : at->dump();
}

std::string short_id(const json& document) {
  return text(document, "id").substr(0, kIdDigits);
}

std::string size_of(const json& offer) {
  return text(offer, "width") + "x" + text(offer, "height");
}

// A table of a list's fields, or what to say when it is empty.
std::string table(const json& list, std::string_view empty,
                  const std::vector<std::pair<const char*, const char*>>& of) {
  if (list.empty()) return std::string(empty) + "\n";
  Rows rows(1);
  for (const auto& [field, heading] : of) rows[0].emplace_back(heading);
  for (const json& each : list) {
    rows.emplace_back();
    for (const auto& [field, heading] : of) {
      const std::string name = field;
      rows.back().push_back(name == "id" ? short_id(each) : name == "size" ? size_of(each) : text(each, field));
    }
  }
  return render_table(rows);
}

std::string list_text(const json& result, const std::string& action) {
  if (action == "catalog") {
    return table(result["offers"], "nobody offers images",
                 {{"image", "image"}, {"peer", "peer"}, {"kind", "kind"}, {"size", "pixels"}, {"bytes", "bytes"}});
  }
  if (action == "pending") {
    return table(result["requests"], "no request waits for your answer",
                 {{"id", "request"}, {"peer", "from"}, {"image", "image"}, {"views", "views"}});
  }
  if (action == "inbox") {
    return table(result["requests"], "you have asked for nothing",
                 {{"id", "request"},
                  {"peer", "of"},
                  {"image", "image"},
                  {"views", "views"},
                  {"state", "state"},
                  {"granted", "granted"}});
  }
  if (action == "available") {
    return table(result["images"], "no image was granted to you",
                 {{"id", "grant"},
                  {"peer", "of"},
                  {"image", "image"},
                  {"granted", "views"},
                  {"used", "used here"},
                  {"picture_here", "picture here"}});
  }
  return table(result["images"], "you have granted no image",
               {{"id", "grant"},
                {"peer", "to"},
                {"image", "image"},
                {"granted", "views"},
                {"used", "used"},
                {"in_escrow", "in the cloud"},
                {"remaining", "remaining"}});
}

struct EventWords {
  Kind kind;
  std::string_view name;
  std::string_view sentence;  // of {peer}, {image}, {id}, {text}
};
constexpr EventWords kEvents[] = {
    {Kind::kRequested, "requested", "{peer} asks for {image} (request {id})"},
    {Kind::kRequestChanged, "request changed", "{peer} asks for another number of views of {image} (request {id})"},
    {Kind::kWithdrawn, "withdrawn", "{peer} takes the request for {image} back (request {id})"},
    {Kind::kViewed, "viewed", "{peer} views {image} (grant {id})"},
    {Kind::kEscrowUsed, "viewed from escrow", "{peer} has viewed {image} with a key from the cloud (grant {id})"},
    {Kind::kDoubleUse, "used twice", "{peer} has used one view of {image} on two devices (grant {id})"},
    {Kind::kUsedAfterTakenBack, "used after taken back",
     "{peer} has used a view of {image} that was taken back (grant {id})"},
    {Kind::kNotUsed, "not used", "{peer} has not had a view of {image} that was told of, after all (grant {id})"},
    {Kind::kAnswered, "answered", "{peer} has answered the request for {image}: {text} (request {id})"},
    {Kind::kPictureHere, "picture here", "the picture of {image} of {peer} is here (grant {id})"},
    {Kind::kNewUser, "new user", "{text} is there"},
    {Kind::kRenamed, "renamed", "{peer} has a new name: {text}"},
    {Kind::kNameClaimed, "name claimed", "somebody else says to be called {text}, too"},
    {Kind::kCatalogChanged, "catalog changed", "the catalog has changed"},
    {Kind::kCloudAway, "cloud away", "the nodes cannot be reached: {text}"},
    {Kind::kCloudBack, "cloud back", "the nodes can be reached"},
    {Kind::kTrouble, "trouble", "trouble: {text}"},
};

}  // namespace

json event_json(const PeerEvent& event, const std::string& peer) {
  json document = json::object();
  for (const EventWords& each : kEvents) {
    if (each.kind == event.kind) document["event"] = each.name;
  }
  if (!event.id.empty()) document["id"] = event.id.hex();
  if (!event.user.empty()) {
    document["peer"] = peer;
    document["key"] = event.user.hex();
  }
  if (!event.resource.empty()) document["image"] = event.resource;
  if (event.serial > 0) document["serial"] = event.serial;
  if (!event.text.empty()) document["text"] = event.text;
  return document;
}

std::string event_text(const json& event) {
  const std::string name = text(event, "event");
  if (name == "left out") return fmt::format("* {} is not offered: {}\n", text(event, "image"), text(event, "text"));
  for (const EventWords& each : kEvents) {
    if (each.name != name) continue;
    return "* " +
           fmt::format(fmt::runtime(each.sentence), fmt::arg("peer", text(event, "peer")),
                       fmt::arg("image", text(event, "image")), fmt::arg("id", short_id(event)),
                       fmt::arg("text", text(event, "text"))) +
           "\n";
  }
  return fmt::format("{} at {} as {}, key {}\n", name, text(event, "address"), text(event, "name"), text(event, "key"));
}

std::string result_text(const json& result) {
  if (result.contains("error")) return text(result["error"], "message") + "\n";
  const std::string action = text(result, "action");
  if (result.contains("offers") || result.contains("requests") || result.contains("images")) {
    const bool current = result.value("current", false);
    return list_text(result, action) + (current ? "" : "(the nodes cannot be reached: this is what was last known)\n");
  }
  if (action == "view") {
    std::string remains;
    if (result.contains("granted")) {
      remains =
          fmt::format("; {} of {} views were used on this device", result["used"].dump(), result["granted"].dump());
    }
    return fmt::format("{}: {} bytes, view {} of grant {}{}{}\n", text(result, "file"), text(result, "bytes"),
                       text(result, "serial"), short_id(result),
                       result.value("from_escrow", false) ? ", with a key from the cloud" : "", remains);
  }
  if (action == "whoami") {
    return fmt::format("name  {}\nkey   {}\nat    {}\ndata  {}\n", text(result, "name"), text(result, "key"),
                       text(result, "address"), text(result, "data_dir"));
  }
  if (action == "forget") return fmt::format("forget: request {} was put away\n", text(result, "id"));
  const bool answers = action == "grant" || action == "refuse";
  const bool asks = action == "request" || action == "withdraw";
  return fmt::format("{}{} {}: {}\n",
                     answers               ? action + ": "
                     : action == "request" ? ""
                                           : action + ": ",
                     answers || asks ? "request" : "grant", text(result, "id"), text(result, "delivery"));
}

// ---- Output

void PeerOutput::line(const json& document) {
  fmt::print("{}\n", document.dump(-1, ' ', false, json::error_handler_t::replace));
}

void PeerOutput::result(const json& result) {
  const std::lock_guard lock(mutex_);
  if (as_json_) {
    line(result);
  } else if (result.contains("error")) {
    fmt::print(stderr, "distri-example: {}", result_text(result));
  } else {
    fmt::print("{}", result_text(result));
  }
  std::fflush(stdout);
}

void PeerOutput::event(const json& event) {
  const std::lock_guard lock(mutex_);
  if (as_json_) {
    line(event);
  } else {
    fmt::print("{}", event_text(event));
  }
  std::fflush(stdout);
}

}  // namespace example
