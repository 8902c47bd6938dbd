#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "cache/cache.hpp"
#include "cache/redis/shared_results.hpp"
#include "net/write_batch.hpp"
#include "pool/statement_run.hpp"
#include "proxy/cache_counts.hpp"
#include "proxy/cached_request.hpp"
#include "proxy/own_session.hpp"
#include "proxy/reply_recorder.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "sql/relation_catalog.hpp"

namespace weir::pool {
class Backend;
}  // namespace weir::pool

namespace weir::proxy {

class ClientSession;
struct ClientExtras;
struct KnownStatement;
struct StatementText;

/// What a client has to do with the cache: it is answered from there, fills it, and tells it of
/// writes. A part of ClientSession, which makes one with the first read that may be kept.
///
/// What is answered here are requests that begin where nothing of the client's is under way: there
/// it sees what anybody would.
class ClientCache final : private cache::Follower {
public:
    explicit ClientCache(ClientSession& session) : session_{session} {}

    ClientCache(const ClientCache&) = delete;
    ClientCache& operator=(const ClientCache&) = delete;
    ClientCache(ClientCache&&) = delete;
    ClientCache& operator=(ClientCache&&) = delete;
    ~ClientCache() override;

    enum class Answer : std::uint8_t {
        Run,    ///< by the server
        Given,  ///< all of it has been answered
        Wait,   ///< another client's result will be
    };

    /// A request begins.
    /// @param rest from its first message on, as much as has been read
    [[nodiscard]] static Answer ask(ClientSession& session, ByteView rest);

    /// The same of a request within a transaction, whose server connection the client has: where
    /// the transaction has done nothing but such reads, they see what anybody would.
    /// @return how many bytes of `rest` have been answered: none, or the whole request
    [[nodiscard]] static std::size_t answer_inside(ClientSession& session, ByteView rest);

    /// A statement is about to be sent: says whether its result is for the cache as well.
    static void note_sent(ClientSession& session, pool::StatementRun& run);

    /// A part of a reply has been passed on to the client.
    void record(const net::WriteBatch& batch);

    /// The request under way will not be answered by the server as it was asked: who waits for its
    /// result is not to wait for this client.
    static void give_up(ClientExtras* extras);

    /// The client does not take its answer: who waits for the same is not to wait for that.
    void give_up_slow();

    /// @return whether it waited for another client's result, which it does no more
    bool leave_flight();
    /// It has waited for too long.
    /// @return false: it does not wait
    bool end_flight();

    /// Redis will not answer: it is read.
    static void end_look_up(ClientSession& session);

    /// @return whether the batch whose Sync has come was answered with its ReadyForQuery, once
    [[nodiscard]] bool take_told_ready() {
        const bool is_told = is_told_ready_;
        is_told_ready_ = false;
        return is_told;
    }

    /// What a statement may change is found out while its text is at hand.
    static void note_effect(const ClientSession& session,
                            const StatementText& statement,
                            KnownStatement& known);

    /// A statement is about to be sent that may change tables.
    static void note_write(ClientSession& session, const pool::StatementTicket& ticket);
    /// The same, of something that nobody has looked at.
    static void note_unseen_write(ClientSession& session);

    /// A portal is read in portions, of which there may be more: whatever is answered from here
    /// leaves it where it is.
    static void note_portion(ClientSession& session);

    /// The configuration has changed: what is under way may have been sent before its writes were
    /// of interest.
    static void note_refresh(ClientSession& session);

    /// @return nullptr: nothing is kept, or this client's statements are not looked at
    [[nodiscard]] static cache::Cache* of(const ClientSession& session);

private:
    void on_landed(cache::EntryPtr entry) override;
    void on_promoted(cache::Leader lead) override;
    void on_alone() override;
    void go_on();

    [[nodiscard]] static std::optional<ByteView> definition_of(ClientSession& session,
                                                               std::string_view name);

    /// A request that may be answered from here.
    struct Question {
        pool::StatementTicket ticket;
        std::uint64_t digest = 0;
    };

    [[nodiscard]] Answer ask(cache::Cache& results, const CachedRequest& request);
    [[nodiscard]] bool ask_inside(cache::Cache& results, const CachedRequest& request);
    [[nodiscard]] std::optional<Question> prepare(const CachedRequest& request, bool has_waited);
    [[nodiscard]] bool is_admitted(std::uint64_t digest, const CachedRequest& request);
    static void note_fate(const ClientSession& session, ReadFate fate);
    void note_why(const CachedRequest& request, std::uint64_t digest) const;
    [[nodiscard]] ReadFate fate_of(const policies::Plan* plan, std::string_view text) const;
    [[nodiscard]] ReadFate fate_of_text(const CachedRequest& request, std::uint64_t digest) const;
    [[nodiscard]] static bool is_within_limits(const policies::Plan& plan,
                                               const cache::Entry& entry);
    [[nodiscard]] cache::KeyBuilder& begin_key(cache::KeyBuilder& key) const;
    void write_key(const CachedRequest& request, Duration fresh_for, cache::KeyBuilder& key) const;
    [[nodiscard]] cache::KeyView make_key(const CachedRequest& request, const Question& question);
    Answer wait(cache::Waiting waiting);
    Answer wait();
    void lead(cache::Leader leader,
              const pool::StatementTicket& ticket,
              std::uint64_t digest,
              protocol::TransactionStatus behind);

    /// What is reused, and since when its client has been waiting for it.
    struct Reused {
        const cache::Entry& entry;
        ReadOutcome outcome = ReadOutcome::Hit;
        TimePoint asked_at;
    };

    Answer answer(const Reused& reused, const CachedRequest& request, pool::StatementTicket ticket);
    void give(const Reused& reused,
              const CachedRequest& request,
              pool::StatementTicket ticket,
              protocol::TransactionStatus status);
    void tell(const Reused& reused, pool::StatementTicket ticket);
    Answer bypass();
    void skip(const policies::Plan& plan);
    void land();

    // Results that other processes have kept as well (client_cache_shared.cpp).
    struct SharedRead;
    [[nodiscard]] Answer look_up(cache::Leader leader,
                                 const CachedRequest& request,
                                 const pool::StatementTicket& ticket,
                                 std::uint64_t digest);
    void on_looked_up(const cache::FoundResult& found);
    bool share(const cache::ReadResult& result);
    static void note_write(ClientSession& session,
                           const sql::WriteSet& set,
                           pool::Backend* backend);
    static void note_course(ClientSession& session, const KnownStatement* known);
    [[nodiscard]] static bool is_settled(ClientSession& session);
    void give_up_read();

    ClientSession& session_;

    // The read under way:
    cache::Waiting waiting_;  // for another client's result
    cache::EntryPtr landed_;  // which has come, and is yet to be passed on
    cache::Leader promoted_;  // it is this client's to read, where another one has failed
    bool is_alone_ = false;   // it is to be read without the cache
    cache::Leader leader_;    // it is being read for all who wait
    ReplyRecorder recorder_;  // of that
    std::uint64_t digest_ = 0;
    std::uint64_t admitted_as_ = 0;  // its key to cache::Admission
    Duration fresh_for_{};
    TimePoint asked_at_{};
    TimePoint sent_at_{};
    std::shared_ptr<SharedRead> asking_;       // while Redis is asked for it first
    std::shared_ptr<SharedRead> shared_read_;  // what Redis is to be given, once it is read

    ReadOutcome landed_as_ = ReadOutcome::Coalesced;
    bool is_skipped_ = false;  // it is not asked for often enough to be kept
    bool is_sent_ = false;     // what is to be read: a statement behind it is something else
    bool is_told_ready_ = false;
};

}  // namespace weir::proxy
