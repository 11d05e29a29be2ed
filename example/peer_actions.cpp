#include "peer_actions.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "distri/peer/limits.hpp"

namespace example {
namespace {

using distri::Code;
using distri::Result;
using Kind = PeerAction::Kind;

constexpr std::size_t kShownMax = 60;

struct Rule {
  Kind kind;
  std::string_view name;
  std::vector<std::string_view> needs;
  std::vector<std::string_view> may;
  std::uint32_t views_min;
  std::string_view help;
};

const std::vector<Rule>& rules() {
  static const std::vector<Rule> kRules{
      {Kind::kCatalog, "catalog", {}, {"from"}, 0, "what others offer, or one of them"},
      {Kind::kRequest, "request", {"from", "image", "views"}, {}, 1, "asks for so many views of an image"},
      {Kind::kPending, "pending", {}, {}, 0, "requests that wait for your answer"},
      {Kind::kInbox, "inbox", {}, {}, 0, "your own requests and their answers"},
      {Kind::kAvailable, "available", {}, {}, 0, "images that you may view"},
      {Kind::kShared, "shared", {}, {}, 0, "images that you let others view"},
      {Kind::kGrant, "grant", {"request", "views"}, {}, 0, "answers a request; 0 views refuse it"},
      {Kind::kRefuse, "refuse", {"request"}, {}, 0, "refuses a request"},
      {Kind::kUpdate, "update", {"grant", "views"}, {}, 0, "so many views in all, those included that were given"},
      {Kind::kRevoke, "revoke", {"grant"}, {}, 0, "no views any more"},
      {Kind::kWithdraw, "withdraw", {"request"}, {}, 0, "takes your own request back"},
      {Kind::kForget,
       "forget",
       {"request"},
       {},
       0,
       "puts away a request of yours that was refused, revoked or withdrawn"},
      {Kind::kView, "view", {"from", "image", "out"}, {}, 0, "writes the image to a new file; costs a view"},
      {Kind::kWhoami, "whoami", {}, {}, 0, "your name, key and address"},
      {Kind::kPublish, "publish", {}, {}, 0, "offers what is in --dir until it is stopped"},
      {Kind::kListen, "listen", {}, {}, 0, "stays, and reads actions from standard input, one per line"},
  };
  return kRules;
}

// What somebody typed, fit for a message.
std::string shown(std::string_view text) {
  std::string result(text.substr(0, kShownMax));
  std::ranges::replace_if(result, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text.size() > kShownMax ? result + "..." : result;
}

std::string usage(const Rule& rule) {
  std::string text(rule.name);
  static const std::map<std::string_view, std::string_view> kValues{
      {"from", "PEER"}, {"image", "NAME"}, {"views", "N"}, {"request", "ID"}, {"grant", "ID"}, {"out", "FILE"}};
  for (const auto flag : rule.needs) text += fmt::format(" --{} {}", flag, kValues.at(flag));
  for (const auto flag : rule.may) text += fmt::format(" [--{} {}]", flag, kValues.at(flag));
  return text;
}

Result<std::uint32_t> views_of(const Rule& rule, const std::string& text) {
  std::uint32_t value = 0;
  const char* const text_end = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), text_end, value);
  if (error != std::errc{} || end != text_end || value < rule.views_min || value > distri::peer::kViewsMax) {
    return distri::fail(Code::kInvalidArgument, "{}: --views must be a whole number between {} and {}, not '{}'",
                        rule.name, rule.views_min, distri::peer::kViewsMax, shown(text));
  }
  return value;
}

Result<std::vector<std::string>> split(std::string_view line) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  const auto put = [&](char c) {
    if (!in_word) words.emplace_back();
    in_word = true;
    words.back() += c;
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0 && c == quote) {
      quote = 0;
    } else if (c == '\\' && quote != '\'' && i + 1 < line.size()) {
      put(line[++i]);
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
      if (!in_word) words.emplace_back();
      in_word = true;
    } else if (quote == 0 && (c == ' ' || c == '\t' || c == '\r')) {
      in_word = false;
    } else {
      put(c);
    }
  }
  if (quote != 0) return distri::fail(Code::kInvalidArgument, "a quote {} is not closed; end it with another", quote);
  return words;
}

}  // namespace

Result<PeerAction> make_action(std::string_view name, const ActionFlags& flags) {
  const auto rule = std::ranges::find(rules(), name, &Rule::name);
  if (rule == rules().end()) {
    return distri::fail(Code::kInvalidArgument, "there is no action '{}'; use one of {}", shown(name), action_names());
  }
  for (const auto& [flag, value] : flags) {
    const bool known = std::ranges::count(rule->needs, flag) + std::ranges::count(rule->may, flag) > 0;
    if (!known) {
      return distri::fail(Code::kInvalidArgument, "{}: --{} does not go with it; its form is: {}", name, shown(flag),
                          usage(*rule));
    }
    if (value.empty()) {
      return distri::fail(Code::kInvalidArgument, "{}: --{} is empty; its form is: {}", name, flag, usage(*rule));
    }
  }
  for (const auto flag : rule->needs) {
    if (flags.contains(std::string(flag))) continue;
    return distri::fail(Code::kInvalidArgument, "{}: --{} is missing; its form is: {}", name, flag, usage(*rule));
  }
  PeerAction action;
  action.kind = rule->kind;
  action.name = rule->name;
  for (const auto& [flag, value] : flags) {
    if (flag == "from") action.from = value;
    if (flag == "image") action.image = value;
    if (flag == "out") action.out = value;
    if (flag == "views") {
      DISTRI_TRY(action.views, views_of(*rule, value));
    }
    if (flag == "request" || flag == "grant") {
      action.id = value;
      action.id_flag = flag;
    }
  }
  return action;
}

Result<PeerAction> parse_action_line(std::string_view line) {
  DISTRI_TRY(const std::vector<std::string> words, split(line));
  if (words.empty()) {
    return distri::fail(Code::kInvalidArgument, "the line is empty; begin with one of {}", action_names());
  }
  ActionFlags flags;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with("--") || word.size() < 3) {
      return distri::fail(Code::kInvalidArgument, "{}: '{}' is no flag; write --flag value, and quotes around spaces",
                          shown(words.front()), shown(word));
    }
    const auto equals = word.find('=');
    const std::string flag = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    if (equals == std::string::npos && i + 1 == words.size()) {
      return distri::fail(Code::kInvalidArgument, "{}: --{} has no value; write one after it", shown(words.front()),
                          shown(flag));
    }
    std::string value = equals == std::string::npos ? words[++i] : word.substr(equals + 1);
    if (!flags.emplace(flag, std::move(value)).second) {
      return distri::fail(Code::kInvalidArgument, "{}: --{} is given twice; once is enough", shown(words.front()),
                          shown(flag));
    }
  }
  DISTRI_TRY(PeerAction action, make_action(words.front(), flags));
  if (action.kind == Kind::kListen || action.kind == Kind::kPublish) {
    return distri::fail(Code::kInvalidArgument, "{}: this program does so already; its --dir is given at its start",
                        action.name);
  }
  return action;
}

std::string action_names() {
  std::vector<std::string_view> names;
  for (const Rule& rule : rules()) names.push_back(rule.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string action_help() {
  std::string text;
  for (const Rule& rule : rules()) text += fmt::format("  {:<42} {}\n", usage(rule), rule.help);
  return text;
}

}  // namespace example
