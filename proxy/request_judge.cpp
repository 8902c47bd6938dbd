#include "proxy/request_judge.hpp"

#include "proxy/catalog_reading.hpp"

#include <algorithm>
#include <utility>

#include "sql/function_source.hpp"
#include "sql/lexer.hpp"

namespace weir::proxy {

using pool::Traits;

namespace {

/// Strings within strings.
constexpr int kDepthMax = 2;
/// Everything but what leaves no trace in the catalog.
constexpr SessionEffects kUnseen = SessionEffects::all().without(SessionEffect::Lasting);

Traits unknown() {
    Traits traits{Traits::LeavesState};
    traits |= Traits::LeavesUnlisted;
    return traits;
}

}  // namespace

void RequestJudge::look_again() {
    if (const std::uint64_t version = database_->knowledge.version(); version != version_) {
        version_ = version;
        known_ = database_->knowledge.knowledge();
        verdicts_.clear();
        memo_ = {};
    }
}

RequestJudge::Verdict RequestJudge::judge(const RequestEffects& effects,
                                          std::string_view text,
                                          std::uint64_t context,
                                          TimePoint now) {
    Verdict verdict;
    // The number first: what is changed after it is read shows by it.
    verdict.changes = database_->knowledge.changes();
    look_again();
    if (known_ == nullptr || !database_->knowledge.is_current(now)) {
        verdict.traits = unknown();
        verdict.is_provisional = true;
        if (known_ != nullptr) {
            verdict.traits |= traits_of(effects, text);
        }
    } else {
        verdict.traits = traits_of(effects, text);
    }
    if (effects.is_opaque || effects.may_leave_unlisted) {
        verdict.traits |= unknown();
    }
    if (!verdict.traits.empty()) {
        verdict.unseen = kUnseen;
        return verdict;
    }
    verdict.is_worth_learning = true;
    verdict.unseen = memo_.suspicion(effects.digest ^ context);
    return verdict;
}

Traits RequestJudge::reconsider(std::string_view text) {
    look_again();
    return known_ == nullptr ? Traits{} : known_->hidden | read(text, 0);
}

Traits RequestJudge::traits_of(const RequestEffects& effects, std::string_view text) {
    if (effects.is_opaque) {
        return known_->hidden | known_->on_write | read(text, 0);  // its digest does not tell
    }
    if (const auto found = verdicts_.find(effects.digest); found != verdicts_.end()) {
        return found->second;
    }
    if (verdicts_.size() >= kVerdictsMax) {
        verdicts_.clear();
    }
    const Traits traits = known_->hidden | read(text, kDepthMax);
    verdicts_.emplace(effects.digest, traits);
    return traits;
}

/// @param depth kDepthMax: what stands in strings is not read
Traits RequestJudge::read(std::string_view text, int depth) const {
    Traits traits;
    sql::Lexer lexer{text};
    for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::End; token = lexer.next()) {
        if (token.kind == sql::TokenKind::String && depth < kDepthMax) {
            traits |= read(sql::text_of(token), depth + 1);
        }
        if (token.kind != sql::TokenKind::Word && token.kind != sql::TokenKind::Quoted) {
            continue;
        }
        if (sql::is_write_word(token)) {
            traits |= known_->on_write;
        }
        const auto found = known_->functions.find(sql::hash_of_name(sql::name_of(token)));
        if (found != known_->functions.end()) {
            traits |= found->second;
        }
    }
    return traits;
}

std::unique_ptr<pool::CatalogQuestion> RequestJudge::question(TimePoint now) {
    if (!database_->knowledge.claim(now)) {
        return nullptr;
    }
    return std::make_unique<CatalogReading>(database_, now);
}

}  // namespace weir::proxy
