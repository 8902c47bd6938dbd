#include "cache/redis/redis_link.hpp"

#include "base/check.hpp"
#include "base/random.hpp"
#include "net/socket.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::cache {

namespace {

using std::chrono::milliseconds;

/// A connection that owes an answer and has said nothing for so many timeouts is taken for dead.
constexpr int kSilentTimeouts = 4;
/// Memory kept for what is gathered during a turn; a large result does not stay.
constexpr std::size_t kOutKept = std::size_t{256} * 1024;
/// What is logged of an error reply.
constexpr std::size_t kLoggedBytes = 200;
constexpr std::string_view kMessage = "message";
constexpr std::string_view kAuth = "AUTH";

std::int64_t whole_ms(Duration duration) {
    return std::chrono::duration_cast<milliseconds>(duration).count();
}

/// @return the word that says what is wrong; the rest of what is said of AUTH may repeat the
/// password
std::string_view error_word_of(std::string_view text) {
    return text.substr(0, text.find(' '));
}

}  // namespace

RedisError redis_error_of(std::string_view text) {
    struct Word {
        std::string_view word;
        RedisError error;
    };

    constexpr std::array kWords{Word{"OOM", RedisError::Oom},
                                Word{"LOADING", RedisError::Loading},
                                Word{"MASTERDOWN", RedisError::Loading},
                                Word{"READONLY", RedisError::ReadOnly},
                                Word{"NOAUTH", RedisError::Auth},
                                Word{"WRONGPASS", RedisError::Auth},
                                Word{"NOPERM", RedisError::Auth},
                                Word{"NOSCRIPT", RedisError::NoScript}};
    const std::string_view first = text.substr(0, text.find(' '));
    const auto* const found = std::find_if(
        kWords.begin(), kWords.end(), [&](const Word& row) { return row.word == first; });
    if (found != kWords.end()) {
        return found->error;
    }
    // What servers before 6.0 say to a wrong password.
    return text.starts_with("ERR invalid password") ? RedisError::Auth : RedisError::Refused;
}

RedisLink::RedisLink(net::EventLoop& loop,
                     RedisLinkSettings settings,
                     RedisLinkListener& listener,
                     RedisCounters& counters)
    : loop_{loop},
      settings_{std::move(settings)},
      listener_{listener},
      counters_{counters},
      digests_(settings_.scripts.size()),
      turn_end_{loop, [this] { flush(); }} {
    dial();
}

RedisLink::~RedisLink() {
    under_way_.clear();
    count_in_flight();
}

// ---- coming up --------------------------------------------------------------------------------

void RedisLink::dial() {
    state_ = State::Dialling;
    connector_ = std::make_unique<net::Connector>(
        loop_,
        settings_.address.endpoint,
        loop_.now() + settings_.greeting,
        [this](Result<net::Fd> dialled) { on_dialled(std::move(dialled)); });
}

void RedisLink::on_dialled(Result<net::Fd> dialled) {
    loop_.defer_delete(std::move(connector_));
    if (!dialled) {
        const Error& error = dialled.error();
        std::string reason{error.what()};
        if (error.detail() != 0) {
            reason += ": " + net::error_text(error.detail());
        }
        count(RedisError::Away);
        lose(RedisError::Away, reason);
        return;
    }
    if (settings_.address.endpoint.kind == Endpoint::Kind::Tcp) {
        net::tune(dialled->get(), {});
    }
    reader_ = std::make_unique<ReplyReader>();
    stream_ = std::make_unique<net::Stream>(
        loop_, std::move(*dialled), static_cast<net::StreamListener&>(*this));
    greet();
}

/// All of it leaves in one write; the PING at its end tells that Redis is ready, too.
void RedisLink::greet() {
    state_ = State::Greeting;
    heard_ = loop_.now();
    const conf::RedisAddress& address = settings_.address;
    if (!address.password.empty() && address.user.empty()) {
        expect({kAuth, address.password}, kAuth);
    } else if (!address.password.empty()) {
        expect({kAuth, address.user, address.password}, kAuth);
    }
    if (address.database != 0) {
        expect({"SELECT", std::to_string(address.database)}, "SELECT");
    }
    // Whoever may not name itself, or finds Redis full, can still go on.
    const std::array<std::string_view, 3> name{"CLIENT", "SETNAME", settings_.client_name};
    put(name, nullptr);
    for (std::size_t script = 0; script < settings_.scripts.size(); ++script) {
        load_script(script);
    }
    for (const std::string& channel : settings_.channels) {
        expect({"SUBSCRIBE", channel}, "SUBSCRIBE");
    }
    const std::array<std::string_view, 1> ping{"PING"};
    put(ping, [this](const Answer& answer) {
        // Who subscribes is answered with an array.
        const Reply said = answer.reply.size() > 0 ? answer.reply.at(0) : answer.reply;
        if (answer.is_good() && (said.text() == "PONG" || said.text() == "pong")) {
            come_up();
        } else if (answer.is_good()) {
            count(RedisError::Protocol);
            lose(RedisError::Protocol, "what answers to PING is not Redis");
        } else if (stream_ != nullptr) {
            lose(*answer.error, answer.reply.text());
        }
    });
}

/// A step of the greeting without which there is no use in going on.
void RedisLink::expect(std::initializer_list<std::string_view> words, std::string_view step) {
    put({words.begin(), words.size()}, [this, step](const Answer& answer) {
        if (!answer.is_good() && stream_ != nullptr) {
            const std::string said{step == kAuth ? error_word_of(answer.reply.text())
                                                 : answer.reply.text()};
            lose(*answer.error, std::string{step} + ": " + said);
        }
    });
}

void RedisLink::load_script(std::size_t script) {
    const std::array<std::string_view, 3> words{"SCRIPT", "LOAD", settings_.scripts[script]};
    put(words, [this, script](const Answer& answer) {
        if (answer.is_good()) {
            digests_[script] = answer.reply.text();
        }
    });
}

void RedisLink::come_up() {
    state_ = State::Up;
    up_since_ = loop_.now();
    ++generation_;
    counters_.connects.add();
    if (generation_ > 1) {
        counters_.reconnects.add();
    }
    if (away_since_) {
        log::write(settings_.is_reported ? log::Level::Info : log::Level::Debug,
                   "redis_back",
                   {{"link", settings_.client_name},
                    {"address", settings_.address.endpoint.text()},
                    {"away_ms", whole_ms(loop_.now() - *away_since_)}});
        away_since_.reset();
    }
    listener_.on_up();
}

// ---- commands ---------------------------------------------------------------------------------

bool RedisLink::send(std::span<const std::string_view> words, OnAnswer on_answer) {
    WEIR_ASSERT(loop_.is_current());
    if (state_ != State::Up) {
        return false;
    }
    if (under_way_.size() >= settings_.in_flight_max ||
        out_.size() + stream_->unsent() > settings_.unsent_max) {
        count(RedisError::Full);
        return false;
    }
    put(words, std::move(on_answer));
    return true;
}

bool RedisLink::run(std::size_t script,
                    std::size_t keys,
                    std::span<const std::string_view> keys_and_arguments,
                    OnAnswer on_answer) {
    const std::string count = std::to_string(keys);
    std::vector<std::string_view> words;
    words.reserve(keys_and_arguments.size() + 3);
    if (digests_[script].empty()) {  // Redis would not load it when we came
        words = {"EVAL", settings_.scripts[script], count};
    } else {
        words = {"EVALSHA", digests_[script], count};
    }
    words.insert(words.end(), keys_and_arguments.begin(), keys_and_arguments.end());
    return send(words, [this, script, told = std::move(on_answer)](const Answer& answer) {
        if (answer.error == RedisError::NoScript && is_up()) {
            load_script(script);  // for the next time, and in front of it
        }
        if (told) {
            told(answer);
        }
    });
}

void RedisLink::put(std::span<const std::string_view> words, OnAnswer on_answer) {
    const TimePoint now = loop_.now();
    append_command(out_, words);
    const Duration patience = state_ == State::Up ? settings_.timeout : settings_.greeting;
    under_way_.push_back({std::move(on_answer), now, now + patience});
    counters_.commands.add();
    count_in_flight();
    turn_end_.arm();
    if (answers_.due() > now + patience) {
        loop_.set_deadline(answers_, now + patience);
    }
}

void RedisLink::flush() {
    if (stream_ != nullptr) {
        stream_->write(as_bytes(out_));
    }
    out_.clear();
    if (out_.capacity() > kOutKept) {
        out_ = {};
    }
}

// ---- answers ----------------------------------------------------------------------------------

std::size_t RedisLink::on_bytes(ByteView bytes) {
    reader_->feed(bytes);
    OwnedReply reply;
    while (stream_ != nullptr) {
        switch (reader_->next(reply)) {
            case ReplyReader::Status::Complete: take(reply); break;
            case ReplyReader::Status::NeedMore: return bytes.size();
            case ReplyReader::Status::Invalid:
                count(RedisError::Protocol);
                lose(RedisError::Protocol, "what came is not Redis' protocol");
                break;
        }
    }
    return bytes.size();
}

void RedisLink::take(const OwnedReply& reply) {
    heard_ = loop_.now();
    const Reply view = reply.view();
    if (take_message(view)) {
        return;
    }
    if (under_way_.empty()) {
        // Redis says so itself where it takes no more clients: "-ERR max number of clients".
        const RedisError why = view.is_error() ? redis_error_of(view.text()) : RedisError::Protocol;
        count(why);
        lose(why, view.is_error() ? view.text() : "a reply that nothing was asked for");
        return;
    }
    answer_first(view);
}

void RedisLink::answer_first(const Reply& reply) {
    const OnAnswer on_answer = std::move(under_way_.front().on_answer);
    under_way_.pop_front();
    count_in_flight();
    Answer answer{std::nullopt, reply};
    if (reply.is_error()) {
        answer.error = redis_error_of(reply.text());
        note_error(*answer.error,
                   state_ == State::Greeting ? error_word_of(reply.text()) : reply.text());
    }
    if (given_up_ > 0) {
        --given_up_;
        counters_.late_replies.add();
    } else if (on_answer) {
        on_answer(answer);
    }
    const bool is_useless = answer.error == RedisError::ReadOnly ||
                            answer.error == RedisError::Loading || answer.error == RedisError::Auth;
    if (is_useless && state_ == State::Up) {
        lose(*answer.error, reply.text());  // another one may answer to the name by now
    }
}

/// @return whether it was one of a channel's messages and no reply
bool RedisLink::take_message(const Reply& reply) {
    if (settings_.channels.empty() || reply.size() != 3 || reply.at(0).text() != kMessage) {
        return false;
    }
    listener_.on_message(reply.at(1).text(), reply.at(2).text());
    return true;
}

void RedisLink::on_late() {
    const TimePoint now = loop_.now();
    if (state_ == State::Greeting) {
        count(RedisError::Timeout);
        lose(RedisError::Timeout, "no answer to the greeting");
        return;
    }
    if (!under_way_.empty() &&
        now >= std::max(heard_, under_way_.front().sent) + kSilentTimeouts * settings_.timeout) {
        lose(RedisError::Timeout, "answers nothing any more");
        return;
    }
    while (given_up_ < under_way_.size() && under_way_[given_up_].due <= now) {
        const OnAnswer on_answer = std::move(under_way_[given_up_].on_answer);
        ++given_up_;
        note_error(RedisError::Timeout, "no answer in time");
        if (on_answer) {
            on_answer({RedisError::Timeout, {}});
        }
    }
    arm_answers();
}

/// Every command is given as long, so the first that has not been given up is the next one to be.
void RedisLink::arm_answers() {
    if (under_way_.empty()) {
        answers_.clear();
        return;
    }
    TimePoint next = state_ == State::Greeting ? kNever
                                               : std::max(heard_, under_way_.front().sent) +
                                                     kSilentTimeouts * settings_.timeout;
    if (given_up_ < under_way_.size()) {
        next = std::min(next, under_way_[given_up_].due);
    }
    loop_.set_deadline(answers_, next);
}

void RedisLink::note_error(RedisError error, std::string_view text) {
    count(error);
    if (const std::int64_t held_back = refusals_.admit(); held_back >= 0) {
        log::warn("redis_error",
                  {{"link", settings_.client_name},
                   {"kind", name_of(error)},
                   {"error", text.substr(0, kLoggedBytes)},
                   {"held_back", held_back}});
    }
}

void RedisLink::count(RedisError error) {
    counters_.errors[static_cast<std::size_t>(error)].add();
}

void RedisLink::count_in_flight() {
    counters_.in_flight.store(under_way_.size(), std::memory_order_relaxed);
}

// ---- going ------------------------------------------------------------------------------------

void RedisLink::on_closed(const Error& reason) {
    std::string text{reason.what()};
    if (reason.code() == ErrorCode::Network) {
        text += ": " + net::error_text(reason.detail());
    }
    const RedisError why = state_ == State::Greeting ? RedisError::Away : RedisError::Closed;
    count(why);
    lose(why, text);
}

void RedisLink::lose(RedisError why, std::string_view reason) {
    const bool was_up = state_ == State::Up;
    state_ = State::Away;
    answers_.clear();
    out_.clear();
    if (stream_ != nullptr) {
        stream_->close();
        loop_.defer_delete(std::move(stream_));
    }
    if (!away_since_) {
        away_since_ = loop_.now();
        log::write(settings_.is_reported ? log::Level::Warn : log::Level::Debug,
                   "redis_away",
                   {{"link", settings_.client_name},
                    {"address", settings_.address.endpoint.text()},
                    {"kind", name_of(why)},
                    {"reason", reason.substr(0, kLoggedBytes)}});
    }
    if (was_up && loop_.now() - up_since_ >= settings_.pause_max) {
        attempts_ = 0;
    }
    retry_later();
    if (was_up) {
        listener_.on_down();
    }
    drop_under_way();
}

void RedisLink::drop_under_way() {
    const std::deque<UnderWay> dropped = std::exchange(under_way_, {});
    const std::size_t told = std::exchange(given_up_, 0);
    count_in_flight();
    for (std::size_t i = told; i < dropped.size(); ++i) {
        if (dropped[i].on_answer) {
            dropped[i].on_answer({RedisError::Closed, {}});
        }
    }
}

/// Grows to the longest pause; half of it is left to chance, so that not all come back at once.
void RedisLink::retry_later() {
    constexpr unsigned kDoublingsMax = 16;
    const auto doubled = settings_.pause_min * (1U << std::min(attempts_, kDoublingsMax));
    const Duration pause = std::min<Duration>(doubled, settings_.pause_max);
    ++attempts_;
    const auto spread = std::chrono::duration_cast<Duration>(pause * (0.5 + random_unit() / 2));
    loop_.set_deadline(retry_, loop_.now() + spread);
}

void RedisLink::on_deadline(net::Deadline& deadline) {
    if (&deadline == &retry_) {
        dial();
    } else {
        on_late();
    }
}

}  // namespace weir::cache
