#pragma once

#include "base/check.hpp"

#include <cstddef>

namespace weir {

template <class T>
class IntrusiveList;

/// Base of objects that sit in at most one IntrusiveList<T> per node type. Destroying a linked
/// object unlinks it.
///
/// @tparam Tag tells several memberships of one class apart
template <class Tag>
class ListNode {
public:
    ListNode() = default;
    ListNode(const ListNode&) = delete;
    ListNode& operator=(const ListNode&) = delete;
    ListNode(ListNode&&) = delete;
    ListNode& operator=(ListNode&&) = delete;

    ~ListNode() { unlink(); }

    [[nodiscard]] bool is_linked() const { return next_ != nullptr; }

    void unlink() {
        if (next_ == nullptr) {
            return;
        }
        next_->prev_ = prev_;
        prev_->next_ = next_;
        next_ = nullptr;
        prev_ = nullptr;
        if (count_ != nullptr) {
            --*count_;
            count_ = nullptr;
        }
    }

private:
    template <class T>
    friend class IntrusiveList;

    ListNode* next_ = nullptr;
    ListNode* prev_ = nullptr;
    std::size_t* count_ = nullptr;
};

/// A doubly linked list of objects it does not own: O(1) to add, move and remove, no allocation,
/// sized.
///
/// T must derive from ListNode<T::ListTag> or ListNode<T>. Thread: the owner's.
template <class T>
class IntrusiveList {
public:
    using Node = ListNode<T>;

    IntrusiveList() {
        head_.next_ = &head_;
        head_.prev_ = &head_;
    }

    IntrusiveList(const IntrusiveList&) = delete;
    IntrusiveList& operator=(const IntrusiveList&) = delete;
    IntrusiveList(IntrusiveList&&) = delete;
    IntrusiveList& operator=(IntrusiveList&&) = delete;

    ~IntrusiveList() {
        while (!empty()) {
            front()->Node::unlink();
        }
        head_.next_ = nullptr;
        head_.prev_ = nullptr;
    }

    [[nodiscard]] bool empty() const { return head_.next_ == &head_; }

    [[nodiscard]] std::size_t size() const { return size_; }

    [[nodiscard]] T* front() { return empty() ? nullptr : static_cast<T*>(head_.next_); }

    [[nodiscard]] T* back() { return empty() ? nullptr : static_cast<T*>(head_.prev_); }

    [[nodiscard]] const T* front() const {
        return empty() ? nullptr : static_cast<const T*>(head_.next_);
    }

    void push_front(T& item) { insert_after(head_, item); }

    void push_back(T& item) { insert_after(*head_.prev_, item); }

    T* pop_front() {
        T* item = front();
        if (item != nullptr) {
            item->Node::unlink();
        }
        return item;
    }

    /// Calls visit(T&) front to back; visit may unlink the item it is given, and no other.
    template <class Visitor>
    void for_each(Visitor&& visit) {
        for (Node* node = head_.next_; node != &head_;) {
            Node* next = node->next_;
            visit(*static_cast<T*>(node));
            node = next;
        }
    }

private:
    void insert_after(Node& place, T& item) {
        Node& node = item;
        WEIR_ASSERT(!node.is_linked());
        node.next_ = place.next_;
        node.prev_ = &place;
        place.next_->prev_ = &node;
        place.next_ = &node;
        node.count_ = &size_;
        ++size_;
    }

    Node head_;
    std::size_t size_ = 0;
};

}  // namespace weir
