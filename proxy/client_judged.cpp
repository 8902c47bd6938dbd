// The part of ClientSession that asks what functions do in the name of its requests.

#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <functional>
#include <utility>

#include "sql/session_facts.hpp"

namespace weir::proxy {

namespace {

/// Names of settings that one transaction may set and still have carried.
constexpr std::size_t kCustomSettingsMax = 64;
/// Requests of one transaction that are kept until it is known what they do.
constexpr std::size_t kUnjudgedBytesMax = std::size_t{256} * 1024;
constexpr SessionEffects kUnseen = SessionEffects::all().without(SessionEffect::Lasting);

}  // namespace

RequestJudge& ClientSession::request_judge() const {
    return worker_.knowledge().of(pool_->shared_database());
}

/// Settings with a dot in their names: what this request sets is asked for once it has run.
void ClientSession::learn_names(const sql::SessionFacts& facts) {
    if (facts.custom_settings.empty()) {
        return;
    }
    const bool may_set = !facts.effects.known.empty() || facts.effects.is_opaque;
    for (const std::string& name : facts.custom_settings) {
        request_judge().knowledge().learn_custom_setting(name);
        if (!may_set) {
            continue;
        }
        SessionState& mine = session_state();
        if (mine.custom_settings.size() < kCustomSettingsMax) {
            mine.custom_settings.push_back(name);
        } else {
            mine.has_unnamed_setting = true;
        }
    }
}

/// What the names in a request mean is also decided by who asks and where they are sought.
std::uint64_t ClientSession::context_of_names() const {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;
    const auto path = settings_->find("search_path");
    const std::hash<std::string_view> hash;
    return hash(path == settings_->end() ? std::string_view{} : path->second) * kOdd +
           hash(pool_->key().user);
}

/// A request that is not inert goes out: what it may do where its text does not say so.
void ClientSession::judge(const RequestEffects& effects, std::string_view text) {
    if (!is_text_plain()) {
        suspect_unseen(kUnseen, 0, text);
        backend_->expect_unlisted();
        return;
    }
    if (effects.has_unnamed_setting) {
        backend_->expect_unlisted();  // the client may leave before it is known to be pinned
    }
    const std::uint64_t context = context_of_names();
    const RequestJudge::Verdict verdict =
        request_judge().judge(effects, text, context, worker_.loop().now());
    if (judged_at_ == 0) {
        judged_at_ = verdict.changes;
    }
    if (!verdict.unseen.empty()) {
        suspect_unseen(
            verdict.unseen, verdict.is_worth_learning ? effects.digest ^ context : 0, text);
    }
    if (verdict.is_provisional) {
        SessionState& mine = session_state();
        if (mine.unjudged_bytes + text.size() > kUnjudgedBytesMax) {
            backend_->suspect(SessionEffect::Lasting, {});
        } else {
            mine.unjudged_bytes += text.size() + 1;
            mine.unjudged.emplace_back(text);
        }
    }
    suspect(verdict.traits);
}

void ClientSession::suspect(pool::Traits traits) {
    if (traits.has(pool::Traits::Lasts)) {
        backend_->suspect(SessionEffect::Lasting, {});
    }
    if (traits.has(pool::Traits::SetsUnnamed)) {
        session_state().has_unnamed_setting = true;
        backend_->suspect(SessionEffect::Settings, {});
        backend_->expect_unlisted();
    }
    if (traits.has(pool::Traits::LeavesUnlisted)) {
        backend_->expect_unlisted();
    }
}

/// Functions that have been changed since the requests of this transaction were judged may have
/// run for them.
void ClientSession::suspect_changed() {
    if (session_state_ != nullptr && !session_state_->unjudged.empty()) {
        session_state_->unjudged_bytes = 0;
        for (const std::string& text : std::exchange(session_state_->unjudged, {})) {
            suspect(request_judge().reconsider(text));
        }
    }
    const std::uint32_t judged_at = std::exchange(judged_at_, 0);
    if (judged_at != 0 && !request_judge().knowledge().is_unchanged_since(judged_at)) {
        suspect_unseen(kUnseen, 0, "(changed functions)");
        backend_->expect_unlisted();
    }
}

/// @return names of settings that PostgreSQL does not list and that may be there
std::vector<std::string> ClientSession::names_to_ask() const {
    std::vector<std::string> names = request_judge().knowledge().custom_settings();
    if (session_state_ != nullptr) {
        const auto& mine = session_state_->custom_settings;
        names.insert(names.end(), mine.begin(), mine.end());
    }
    return names;
}

/// @return what to ask of the catalog, if that is to be done here and now
std::unique_ptr<pool::CatalogQuestion> ClientSession::catalog_question() const {
    if (!is_text_plain() || is_at_replica()) {
        return nullptr;  // a replica may not have heard of the last change yet
    }
    const bool reads_go_to_replicas = route() != nullptr && route()->is_split;
    const bool is_cached = ClientCache::of(*this) != nullptr;
    const bool wants_callable =
        reads_go_to_replicas || context_->limits_results || context_->explains_slow || is_cached;
    return request_judge().question({wants_callable, is_cached}, worker_.loop().now());
}

}  // namespace weir::proxy
