#include "proxy/request_judge.hpp"

#include "proxy/catalog_reading.hpp"

#include <algorithm>
#include <utility>
#include <vector>

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

sql::FunctionCatalog functions_of(const pool::FunctionKnowledgePtr& known) {
    std::vector<sql::FunctionRow> rows;
    if (known != nullptr) {
        rows.reserve(known->callable.size());
        for (const pool::CallableName& one : known->callable) {
            rows.push_back({one.schema, one.name, sql::volatility_of({&one.volatility, 1})});
        }
    }
    return sql::FunctionCatalog{rows};
}

}  // namespace

void RequestJudge::look_again() {
    if (const std::uint64_t version = database_->knowledge.version(); version != version_) {
        version_ = version;
        known_ = database_->knowledge.knowledge();
        verdicts_.clear();
        memo_ = {};
        if (reads_ != nullptr) {
            reads_->functions = functions_of(known_);
            reads_->cached.clear();
        }
    }
}

RequestJudge::Reads& RequestJudge::reads() {
    look_again();
    if (reads_ == nullptr) {
        reads_ = std::make_unique<Reads>();
        reads_->functions = functions_of(known_);
    }
    return *reads_;
}

sql::FactsMemo::Known RequestJudge::read_facts(std::uint64_t digest, std::string_view text) {
    Reads& mine = reads();
    return mine.memo.look_up(digest, text, mine.functions);
}

void RequestJudge::remember_as_write(std::uint64_t digest) {
    reads().memo.remember_as_write(digest);
}

bool RequestJudge::leaves_nothing(const RequestEffects& effects,
                                  std::string_view text,
                                  std::uint64_t context) {
    if (effects.is_inert) {
        return true;
    }
    look_again();
    return effects.known.empty() && !effects.is_opaque && !effects.may_leave_unlisted &&
           memo_.proven(effects.digest ^ context).empty() &&
           (known_ == nullptr || traits_of(effects, text).empty());
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

const CacheFacts& RequestJudge::cache_facts(std::uint64_t digest, std::string_view text) {
    static const sql::RelationCatalog kNothing;
    Reads& mine = reads();
    if (const auto found = mine.cached.find(digest); found != mine.cached.end()) {
        return found->second;
    }
    if (mine.cached.size() >= kVerdictsMax) {
        mine.cached.clear();
    }
    const RelationKnowledge* known = relations();
    const sql::RelationCatalog& relations = known == nullptr ? kNothing : known->catalog;
    const auto facts = mine.memo.look_up(digest, text, mine.functions).facts;
    return mine.cached
        .emplace(digest,
                 CacheFacts{sql::cacheable(*facts, mine.functions, relations),
                            sql::effect_of(*facts, mine.functions, relations),
                            sql::begins_committed(*facts, relations)})
        .first->second;
}

std::string_view RequestJudge::server() {
    look_again();
    const RelationKnowledge* known = relations();
    return known == nullptr ? std::string_view{} : std::string_view{known->server};
}

const RelationKnowledge* RequestJudge::relations() const {
    return known_ == nullptr ? nullptr
                             : static_cast<const RelationKnowledge*>(known_->relations.get());
}

std::unique_ptr<pool::CatalogQuestion> RequestJudge::question(const CatalogReading::Wishes& wishes,
                                                              TimePoint now) {
    if (!database_->knowledge.claim(now)) {
        return nullptr;
    }
    return std::make_unique<CatalogReading>(database_, wishes, now);
}

}  // namespace weir::proxy
