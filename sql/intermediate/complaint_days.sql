-- Who complained, by day and channel. A small part of all interactions, which
-- those who look at complaints would else read again each time. Kinds come
-- first, so that the rest is dropped before ids are resolved.
with interaction_days as (
    select * from intermediate.interaction_days
),

identity_members as (
    select * from intermediate.identity_members
),

complaints as (
    select kind from seeds.interaction_kinds where is_complaint
),

complaint_days as (
    select
        interaction_days.customer_id,
        interaction_days.day,
        interaction_days.channel,
        interaction_days.interactions
    from interaction_days
    inner join complaints on interaction_days.kind = complaints.kind
    where interaction_days.day <= $as_of
),

final as (
    select
        coalesce(identity_members.customer_id, complaint_days.customer_id)
            as customer_id,
        complaint_days.day,
        complaint_days.channel,
        cast(sum(complaint_days.interactions) as bigint) as complaints
    from complaint_days
    left join identity_members
        on complaint_days.customer_id = identity_members.landed_id
    group by
        coalesce(identity_members.customer_id, complaint_days.customer_id),
        complaint_days.day,
        complaint_days.channel
)

select * from final
