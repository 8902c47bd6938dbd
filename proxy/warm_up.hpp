#pragma once

#include "base/clock.hpp"
#include "conf/warm_up_settings.hpp"
#include "net/timing_wheel.hpp"
#include "proxy/own_client.hpp"
#include "proxy/own_session.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

namespace weir::proxy {

class Worker;

/// Runs the statements of [[warm_up]] so that their results are kept: each once, in order, one
/// entry after the other, as the client that the entry describes.
///
/// It is a client like others, of a session like others: what is kept, for how long and for whom
/// is decided in one place for all. An entry whose server is not there, or whose results nobody
/// could keep now, lets the others go first and is tried again after growing pauses.
/// @thread its worker's; destroyed before the sessions end
class WarmUp final : private net::DeadlineListener {
public:
    static constexpr std::chrono::seconds kLoginWithin{30};
    static constexpr std::chrono::minutes kAnswerWithin{10};
    /// Between tries of an entry; each is twice the one before.
    static constexpr std::chrono::milliseconds kFirstPause{250};
    static constexpr std::chrono::seconds kLongestPause{30};
    /// Of one statement that might have been kept and was not, or that ended with its connection.
    static constexpr unsigned kTries = 5;
    /// For the catalog to be read behind other statements: what is known may have to grow old.
    static constexpr std::chrono::seconds kCatalogWithin{70};
    /// What has been answered is looked after that long before the next statement may begin.
    static constexpr std::chrono::seconds kRestWithin{5};

    explicit WarmUp(Worker& worker) : worker_{worker} {}

    WarmUp(const WarmUp&) = delete;
    WarmUp& operator=(const WarmUp&) = delete;
    WarmUp(WarmUp&&) = delete;
    WarmUp& operator=(WarmUp&&) = delete;
    ~WarmUp();

    /// From the beginning, by the configuration in force; what is under way is given up.
    void begin();
    /// At once, whatever is under way.
    void stop();

private:
    enum class Asked : std::uint8_t { Nothing, Login, Question, Statement };

    struct Entry {
        conf::WarmUpSettings settings;
        std::size_t next = 0;  // of its statements
        unsigned tries = 0;    // of that one
        Duration pause{kFirstPause};
        TimePoint due{};  // not before
        bool is_waiting_told = false;
        bool lacks_password = false;  // until a client has shown one
    };

    void on_deadline(net::Deadline& deadline) override;
    void go_on();
    [[nodiscard]] bool choose();
    void go_on_with(Entry& entry);
    void log_in(Entry& entry);
    void begin_statements();
    void ask(Asked what, std::string_view statement);
    void on_answer(const OwnAnswer& answer);
    void after_login(Entry& entry, const OwnAnswer& answer);
    void after_statement(Entry& entry, const OwnAnswer& answer);
    void take_fate(Entry& entry);
    void next_statement(Entry& entry);
    void try_again(Entry& entry, const std::string& why);
    void postpone(Entry& entry, std::string_view why);
    void give_up(Entry& entry, std::string_view why);
    void look_in(Duration pause);
    void close();
    void finish();
    void tell_not_kept(const Entry& entry, std::string_view why) const;
    [[nodiscard]] bool is_at_rest() const;
    [[nodiscard]] bool is_catalog_known() const;
    [[nodiscard]] bool keeps_results() const;
    [[nodiscard]] bool has_password(const Entry& entry) const;

    Worker& worker_;
    net::Deadline deadline_{*this};
    std::list<Entry> entries_;  // that are not over
    Entry* current_ = nullptr;  // one of them; nullptr: all of them wait
    std::unique_ptr<OwnClient> client_;
    OwnSessionPtr session_;
    Asked asked_ = Asked::Nothing;
    Duration look_every_{};   // while something is awaited that comes soon
    TimePoint rest_by_{};     // then it logs in anew
    TimePoint catalog_by_{};  // then it is asked all the same
    TimePoint begun_at_{};
    std::size_t statements_ = 0;
    std::size_t kept_ = 0;
};

}  // namespace weir::proxy
