// feed_support.hpp: reading the change feed of a replica in tests, as short texts.
#pragma once

#include "distri/bson/json.hpp"
#include "distri/replication/change_feed.hpp"
#include "distri/replication/resume_token.hpp"
#include "support.hpp"

namespace distri::replication::test {

// A reader that moves between replicas with its token.
class Watch {
 public:
  explicit Watch(ChangeFeed::Query (*make)() = [] { return ChangeFeed::Query(); }) : make_(make) {}

  // From now on; or from the token on.
  Result<> begin(const Replica& replica, const std::string& token = {}) {
    feed_.emplace(replica);
    std::optional<VersionVector> after;
    if (!token.empty()) {
      DISTRI_TRY(after, decode_resume_token(token));
    }
    REQUIRE(feed_->ready(after));
    DISTRI_TRY(auto reader, feed_->open(make_(), after));
    reader_.emplace(std::move(reader));
    return {};
  }
  Result<> move_to(const Replica& replica) { return begin(replica, token()); }

  Result<std::vector<bson::Document>> events() {
    std::vector<bson::Document> all;
    for (bool more = true; more;) {
      DISTRI_TRY(auto page, feed_->next(*reader_, 1u << 20));
      more = page.more;
      for (auto& event : page.events) all.push_back(std::move(event));
    }
    return all;
  }
  // "insert c 1 {...}" for each, joined by "; ".
  std::string read() {
    const auto all = events();
    return all ? brief(*all) : all.error().message;
  }
  std::string read_page() {
    const auto page = feed_->next(*reader_, 1u << 20);
    return page ? brief(page->events) : page.error().message;
  }
  std::string token() const { return feed_->token(*reader_); }

  static std::string brief(const std::vector<bson::Document>& events) {
    std::string text;
    for (const bson::Document& event : events) text += (text.empty() ? "" : "; ") + brief(event);
    return text;
  }
  static std::string brief(bson::View event) {
    std::string text(event.find("operationType")->as_string());
    text += " " + std::string(event.find("ns")->as_object().find("coll")->as_string());
    if (const auto key = event.find("documentKey")) text += " " + bson::to_json(key->as_object());
    if (const auto update = event.find("updateDescription")) text += " " + bson::to_json(update->as_object());
    if (const auto full = event.find("fullDocument"))
      text += full->type() == bson::Type::kNull ? " null" : " " + bson::to_json(full->as_object());
    if (const auto complete = event.find("complete")) text += complete->as_bool() ? " complete" : " partly";
    if (const auto conflict = event.find("conflict"))
      text += " " + std::string(conflict->as_object().find("kind")->as_string());
    return text;
  }

 private:
  ChangeFeed::Query (*make_)();
  std::optional<ChangeFeed> feed_;
  std::optional<ChangeFeed::Reader> reader_;
};

}  // namespace distri::replication::test
