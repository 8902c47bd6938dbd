#pragma once

#include "base/counters.hpp"
#include "ledger/ring.hpp"
#include "ledger/statement.hpp"
#include "ledger/sums.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace weir::ledger {

/// One statement that is kept whole.
struct Sample {
    Statement statement;
    double weight = 1;  ///< how many such statements it stands for
};

/// What of a sample is longer than this is cut.
inline constexpr std::size_t kDetailTextMax = 4096;
inline constexpr std::size_t kDetailPlanMax = 65'536;
inline constexpr std::size_t kDetailIdMax = 128;  ///< of addresses and trace ids

/// What one worker tells the ledger. Nothing here takes a lock, waits, or touches a file.
///
/// Every statement is counted in the sums of its digest and labels, without loss: beyond
/// kDigestsMax digests an hour, kApplicationsMax applications of a database an hour or kEntriesMax
/// of both together, in those of "(other)". Slow and failed statements, and a random share of the
/// others, go whole into a bounded queue, and are dropped and counted when it is full.
///
/// @thread the worker's; what is marked "writer" the ledger's. Made before the worker starts and
///         destroyed after both have ended.
class Recorder {
public:
    static constexpr std::size_t kDigestsMax = 5000;
    static constexpr std::size_t kApplicationsMax = 32;
    static constexpr std::size_t kDatabasesMax = 1024;
    static constexpr std::size_t kEntriesMax = 8192;
    static constexpr std::size_t kWaitsMax = 1024;
    static constexpr std::size_t kSamplesMax = 8192;
    static constexpr std::size_t kSessionsMax = 2048;
    /// Bytes of all StatementDetails on their way to the writer; what is beyond goes without.
    static constexpr std::uint64_t kDetailBytesMax = std::uint64_t{16} << 20U;

    /// @param sample_rate 0..1, read each time; outlives this
    /// @param seed of the choice of samples
    Recorder(const std::atomic<double>& sample_rate, std::uint64_t seed);
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;
    Recorder(Recorder&&) = delete;
    Recorder& operator=(Recorder&&) = delete;
    ~Recorder();

    // --- a statement, in one call or in parts
    // -----------------------------------------------------

    /// Counts it, and keeps it if it is to be kept.
    void add(Statement&& statement);

    /// @return where statements like this are counted: good while epoch() is what it was
    [[nodiscard]] Sums& sums_of(const DigestPtr& digest, const LabelsPtr& labels);

    /// Changes when what sums_of() has returned is no longer to be used.
    [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

    /// To be called before sums_of() for what has ended at that time: sums are of an hour.
    void enter(std::int64_t unix_us) {
        const std::int64_t into_hour = unix_us - hour_begin_us_;
        if (into_hour < 0 || into_hour >= kHourUs || hour_ < 0) [[unlikely]] {
            turn_hour(unix_us / kHourUs);
        }
    }

    /// Counts it; whose it is `sums` says.
    /// @param sums of sums_of() for its digest and labels, in this epoch
    void count(Sums& sums, const Statement& statement);

    /// @return whether it is to be given to keep(): asked once a statement, before what only a
    /// sample needs
    ///         (`detail`) is put together
    [[nodiscard]] bool wants(const Statement& statement);

    /// Keeps it whole: samples name no more digests and applications than the sums do. Call only
    /// after wants().
    void keep(Statement&& statement);
    /// @param sums of sums_of() for its digest and labels, in this epoch: they need not be set
    void keep(Statement&& statement, const Sums& sums);

    void add(Session&& session);

    /// Gives the writer what has been summed up, if it has taken what it was given before; else
    /// goes on adding. To be called about once a second.
    void hand_over();

    // --- writer
    // -----------------------------------------------------------------------------------

    /// @return what was handed over, or null. Thread: the writer's.
    [[nodiscard]] std::unique_ptr<SumsTable> take();
    /// @return what has not been handed over, or null. Only after the worker has ended.
    [[nodiscard]] std::unique_ptr<SumsTable> take_rest();
    [[nodiscard]] std::optional<Sample> take_sample();
    [[nodiscard]] std::optional<Session> take_session();

    /// How many samples are waiting. Thread: any.
    [[nodiscard]] std::size_t samples_waiting() const { return samples_.size(); }

    /// Since the start. Thread: any.
    struct Losses {
        std::uint64_t samples = 0;
        std::uint64_t sessions = 0;
        std::uint64_t details = 0;  ///< samples kept without theirs
        std::uint64_t folded = 0;   ///< digests, once an hour each, counted as "(other)"
    };

    [[nodiscard]] Losses losses() const;

private:
    void turn_hour(std::int64_t hour);
    SumsTable::Entry& entry_of(const Digest* digest, const Labels* labels);
    Sums& make_sums(const DigestPtr& digest, const LabelsPtr& labels);
    Sums& sums_of_rest();
    void count_wait(Sums& sums, const Statement& statement);
    [[nodiscard]] DigestPtr admitted(const DigestPtr& digest);
    [[nodiscard]] LabelsPtr admitted(const LabelsPtr& labels);
    [[nodiscard]] bool is_chosen(double rate);
    void keep_admitted(Statement&& statement);
    void fit_detail(Statement& statement);

    const std::atomic<double>* sample_rate_;
    std::uint64_t random_;
    std::uint64_t epoch_ = 1;
    std::int64_t hour_ = -1;
    std::int64_t hour_begin_us_ = 0;
    std::unique_ptr<SumsTable> table_;
    std::atomic<SumsTable*> handed_{nullptr};
    Sums* rest_ = nullptr;  ///< of "(other)" in every respect, in table_; null = not yet
    std::unordered_set<std::uint64_t> digests_;  ///< hashes admitted this hour
    std::unordered_set<std::uint64_t> refused_;  ///< as many that were not: each counts once
    std::unordered_map<std::string, std::unordered_set<std::string>> applications_;
    std::unordered_map<std::string, LabelsPtr> other_application_;  ///< by database and user
    Ring<Sample> samples_{kSamplesMax};
    Ring<Session> sessions_{kSessionsMax};
    std::uint64_t detail_bytes_in_ = 0;
    std::atomic<std::uint64_t> detail_bytes_out_{0};
    Counter lost_samples_;
    Counter lost_sessions_;
    Counter lost_details_;
    Counter folded_;
};

}  // namespace weir::ledger
