#include "proxy/warm_up.hpp"

#include "base/log.hpp"
#include "ledger/error_pattern.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::proxy {

namespace {

constexpr std::string_view kName = "warm-up";
/// The catalog is read behind a statement, whatever that is. This one names nothing of it, so that
/// it needs not be taken for a write, as others are until then.
constexpr std::string_view kQuestion = "SELECT 1";
constexpr std::chrono::milliseconds kLookSoon{5};
constexpr std::chrono::seconds kLookRarely{1};

bool is_of_class(SqlState error, std::initializer_list<std::string_view> classes) {
    return std::find(classes.begin(), classes.end(), error.class_text()) != classes.end();
}

/// @return whether a login may succeed another time: the server is away, full, or starting
bool may_come(SqlState error) {
    return is_of_class(error, {"08", "53", "57", "58"});
}

/// @return whether it was not the statement that failed
bool is_of_server(SqlState error) {
    return is_of_class(error, {"08", "53"}) || error == sqlstate::kAdminShutdown ||
           error == sqlstate::kCannotConnectNow || error.text() == "57P02";
}

/// Without what it may quote of the statement.
std::string reason_of(const OwnAnswer& answer) {
    return answer.error->text() + ": " + ledger::error_pattern(answer.message);
}

}  // namespace

WarmUp::~WarmUp() {
    stop();
}

void WarmUp::begin() {
    stop();
    const conf::Config& config = worker_.config();
    if (!config.cache.enabled || !worker_.takes_clients()) {
        return;
    }
    statements_ = 0;
    kept_ = 0;
    begun_at_ = worker_.loop().now();
    for (const conf::WarmUpSettings& settings : config.warm_ups) {
        statements_ += settings.statements.size();
        entries_.push_back({.settings = settings});
    }
    if (!entries_.empty()) {
        look_in({});  // whoever has ordered it goes on first
    }
}

void WarmUp::stop() {
    deadline_.clear();
    close();
    current_ = nullptr;
    if (!entries_.empty()) {
        log::info("cache_warm_up_stopped", {{"kept", kept_}, {"statements", statements_}});
        entries_.clear();
    }
}

/// What is under way ends now, with its session; else that ends as any client's that leaves.
void WarmUp::close() {
    const bool is_under_way = std::exchange(asked_, Asked::Nothing) != Asked::Nothing;
    if (client_ != nullptr) {
        client_->leave();
        worker_.loop().defer_delete(std::move(client_));
    }
    if (const OwnSessionPtr mine = std::exchange(session_, nullptr);
        is_under_way && mine != nullptr && mine->session != nullptr) {
        mine->session->drop();
    }
}

void WarmUp::finish() {
    const auto took = worker_.loop().now() - begun_at_;
    log::info("cache_warmed_up",
              {{"kept", kept_},
               {"statements", statements_},
               {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(took).count()}});
}

void WarmUp::on_deadline(net::Deadline& /*deadline*/) {
    const Asked asked = asked_;
    if (asked == Asked::Nothing) {
        go_on();
        return;
    }
    close();
    if (asked == Asked::Statement) {
        tell_not_kept(*current_, "it was not answered in time");
        next_statement(*current_);
    } else {
        postpone(*current_, "it was not answered in time");
    }
}

void WarmUp::look_in(Duration pause) {
    worker_.loop().set_deadline(deadline_, worker_.loop().now() + pause);
}

void WarmUp::go_on() {
    if (current_ != nullptr || choose()) {
        go_on_with(*current_);
    }
}

/// @return false: all of them have to wait, or are over
bool WarmUp::choose() {
    if (entries_.empty()) {
        finish();
        return false;
    }
    const auto first = std::min_element(
        entries_.begin(), entries_.end(), [](const Entry& one, const Entry& other) {
            return one.due < other.due;
        });
    if (first->due > worker_.loop().now()) {
        worker_.loop().set_deadline(deadline_, first->due);
        return false;
    }
    current_ = &*first;
    return true;
}

void WarmUp::go_on_with(Entry& entry) {
    const TimePoint now = worker_.loop().now();
    if (!worker_.trusts_cache(now)) {
        postpone(entry, text_of(ReadFate::Untrusted));
    } else if (client_ == nullptr) {
        log_in(entry);
    } else if (!is_at_rest()) {
        if (now >= rest_by_) {
            close();
        }
        look_in(kLookSoon);
    } else if (!is_catalog_known() && now < catalog_by_) {
        ask(Asked::Question, kQuestion);
    } else {
        ask(Asked::Statement, entry.settings.statements[entry.next]);
    }
}

void WarmUp::log_in(Entry& entry) {
    if (entry.lacks_password && !has_password(entry)) {
        postpone(entry, {});
        return;
    }
    entry.lacks_password = false;
    session_ = std::make_shared<OwnSession>();
    session_->name = kName;
    net::Fd end = worker_.add_own_client(session_);
    if (!end.is_open()) {
        postpone(entry, "there are no descriptors left");
        return;
    }
    client_ = std::make_unique<OwnClient>(
        worker_.loop(), std::move(end), [this](const OwnAnswer& answer) { on_answer(answer); });
    asked_ = Asked::Login;
    look_in(kLoginWithin);
    client_->log_in(entry.settings.database, entry.settings.user, entry.settings.parameters);
}

void WarmUp::ask(Asked what, std::string_view statement) {
    asked_ = what;
    session_->fate = ReadFate::NotAsked;
    session_->is_harmless = what == Asked::Question;
    look_in(kAnswerWithin);
    client_->ask(statement);
}

void WarmUp::on_answer(const OwnAnswer& answer) {
    const Asked asked = std::exchange(asked_, Asked::Nothing);
    rest_by_ = worker_.loop().now() + kRestWithin;
    if (!answer.is_open) {
        close();
    }
    switch (asked) {
        case Asked::Login: after_login(*current_, answer); return;
        case Asked::Statement: after_statement(*current_, answer); return;
        case Asked::Question:
            if (answer.error && is_of_server(*answer.error)) {
                postpone(*current_, reason_of(answer));
                return;
            }
            // What is known may have to grow old before it is read again.
            look_in(look_every_);
            look_every_ = std::min<Duration>(2 * look_every_, kLookRarely);
            return;
        case Asked::Nothing: return;  // ended while it waited: what is due next logs in again
    }
}

void WarmUp::after_login(Entry& entry, const OwnAnswer& answer) {
    if (answer.is_open) {
        begin_statements();
        return;
    }
    if (!answer.error || may_come(*answer.error)) {
        postpone(entry, answer.error ? reason_of(answer) : "its connection was closed");
    } else if (*answer.error == sqlstate::kInvalidPassword && !has_password(entry)) {
        entry.lacks_password = true;
        postpone(entry, reason_of(answer));
    } else {
        give_up(entry, reason_of(answer));
    }
}

void WarmUp::begin_statements() {
    if (!keeps_results()) {
        give_up(*current_, "pool.mode is session, or pool.state is forget");
        return;
    }
    if (current_->tries == 0) {
        current_->pause = kFirstPause;
    }
    look_every_ = kLookSoon;
    catalog_by_ = worker_.loop().now() + kCatalogWithin;
    look_in({});
}

void WarmUp::after_statement(Entry& entry, const OwnAnswer& answer) {
    if (answer.error && is_of_server(*answer.error)) {
        try_again(entry, reason_of(answer));
    } else if (answer.error) {
        tell_not_kept(entry, reason_of(answer));
        next_statement(entry);
    } else if (!answer.is_open) {
        try_again(entry, "its connection was closed");
    } else {
        take_fate(entry);
    }
}

void WarmUp::take_fate(Entry& entry) {
    const ReadFate fate = session_->fate;
    std::string why{text_of(fate)};
    if (fate == ReadFate::Kept) {
        ++kept_;
        next_statement(entry);
    } else if (may_pass(fate)) {
        try_again(entry, why);
    } else {
        if (fate == ReadFate::NotCacheable) {
            why.append(" (").append(session_->why).append(")");
        }
        tell_not_kept(entry, why);
        next_statement(entry);
    }
}

void WarmUp::next_statement(Entry& entry) {
    ++entry.next;
    entry.tries = 0;
    entry.pause = kFirstPause;
    entry.is_waiting_told = false;
    if (entry.next == entry.settings.statements.size()) {
        close();
        entries_.remove_if([&entry](const Entry& one) { return &one == &entry; });
        current_ = nullptr;
    }
    look_in({});
}

/// It may be kept, or answered, another time.
void WarmUp::try_again(Entry& entry, const std::string& why) {
    if (++entry.tries >= kTries) {
        tell_not_kept(entry, why);
        next_statement(entry);
    } else {
        postpone(entry, why);
    }
}

/// The others go first.
/// @param why "": it has been told
void WarmUp::postpone(Entry& entry, std::string_view why) {
    close();
    if (!why.empty() && !std::exchange(entry.is_waiting_told, true)) {
        log::info("cache_warm_up_waits",
                  {{"database", entry.settings.database},
                   {"user", entry.settings.user},
                   {"reason", why}});
    }
    entry.due = worker_.loop().now() + entry.pause;
    entry.pause = std::min<Duration>(2 * entry.pause, kLongestPause);
    current_ = nullptr;
    look_in({});
}

/// Nothing of it can be kept.
void WarmUp::give_up(Entry& entry, std::string_view why) {
    for (; entry.next + 1 < entry.settings.statements.size(); ++entry.next) {
        tell_not_kept(entry, why);
    }
    tell_not_kept(entry, why);
    next_statement(entry);
}

void WarmUp::tell_not_kept(const Entry& entry, std::string_view why) const {
    log::warn("cache_warm_up",
              {{"database", entry.settings.database},
               {"user", entry.settings.user},
               {"statement", entry.next + 1},
               {"reason", why}});
}

/// A session whose last statement is still looked after is not answered from the cache.
bool WarmUp::is_at_rest() const {
    return session_->session != nullptr && session_->session->state() == ClientState::Idle;
}

bool WarmUp::is_catalog_known() const {
    RequestJudge& judge = worker_.knowledge().of(session_->session->pool()->shared_database());
    return judge.is_informed(worker_.loop().now()) && judge.is_of_server() &&
           !judge.server().empty();
}

bool WarmUp::keeps_results() const {
    const pool::Pool* pool = session_->session == nullptr ? nullptr : session_->session->pool();
    return pool != nullptr && pool->plan().settings.mode != conf::PoolMode::Session &&
           pool->plan().settings.state == conf::SessionState::Carry;
}

/// @return whether this worker knows how to log in as its user: by a password that is configured,
/// or by what a client has shown
bool WarmUp::has_password(const Entry& entry) const {
    const auto* database = worker_.config().find_database(entry.settings.database);
    if (database == nullptr) {
        return true;  // which is what it will be told then
    }
    pool::PoolKey key;
    key.database = entry.settings.database;
    key.user = database->user.empty() ? entry.settings.user : database->user;
    const pool::Pool* pool = worker_.find_pool(key);
    return pool != nullptr && !pool->credentials().empty();
}

}  // namespace weir::proxy
