-- By which channel, on which weekday and at what hour each customer is best
-- spoken to.
with customers as (
    select * from intermediate.known_customers
),

channel_responses as (
    select * from marts.channel_responses
),

engagement_hours as (
    select * from intermediate.engagement_hours
),

identity_members as (
    select * from intermediate.identity_members
),

contacts as (
    select
        customer_id,
        sum(contacts) as contacts,
        sum(responses) as responses,
        sum(contacts_30d) as contacts_30d,
        max(last_contacted_on) as last_contacted_on
    from channel_responses
    group by customer_id
),

-- Channels that they were contacted in come first, by response; then those
-- that they chose themselves. Nobody can be contacted by '(none)'.
-- One window over all is many times faster than one per customer: whose rows
-- stand before tells the first and the second from the others.
channels_in_order as (
    select
        customer_id,
        channel,
        lag(customer_id) over in_order as one_before,
        lag(customer_id, 2) over in_order as two_before
    from channel_responses
    where channel <> '(none)'
    window in_order as (
        order by
            customer_id,
            contacts > 0 desc,
            case when contacts > 0 then response_rate end desc nulls last,
            inbound desc,
            channel
    )
),

ranked as (
    select
        customer_id,
        channel,
        case
            when two_before = customer_id then 3
            when one_before = customer_id then 2
            else 1
        end as place
    from channels_in_order
),

preferred as (
    select
        customer_id,
        min(channel) filter (where place = 1) as preferred_channel,
        min(channel) filter (where place = 2) as second_channel
    from ranked
    where place <= 2
    group by customer_id
),

engagements as (
    select
        coalesce(identity_members.customer_id, engagement_hours.customer_id)
            as customer_id,
        -- the first day of the calendar was a Monday
        days_between(date '0001-01-01', engagement_hours.day) % 7 + 1
            as weekday,
        engagement_hours.hour,
        engagement_hours.interactions
    from engagement_hours
    left join identity_members
        on engagement_hours.customer_id = identity_members.landed_id
    where engagement_hours.day <= $as_of
),

weekdays as (
    select
        customer_id,
        weekday,
        sum(interactions) as interactions
    from engagements
    group by customer_id, weekday
),

-- The most interactions, then the earliest: one number that has both, as
-- aggregates over ordered rows take several times as long.
best_weekdays as (
    select
        customer_id,
        7 - max(interactions * 7 + 7 - weekday) % 7 as weekday
    from weekdays
    group by customer_id
),

hours as (
    select
        customer_id,
        hour,
        sum(interactions) as interactions
    from engagements
    group by customer_id, hour
),

best_hours as (
    select
        customer_id,
        23 - max(interactions * 24 + 23 - hour) % 24 as hour
    from hours
    group by customer_id
),

final as (
    select
        customers.customer_id,
        preferred.preferred_channel,
        preferred.second_channel,
        best_weekdays.weekday as best_weekday,
        best_hours.hour as best_hour,
        coalesce(contacts.contacts, 0) as contacts,
        coalesce(contacts.responses, 0) as responses,
        coalesce(contacts.contacts_30d, 0) as contacts_30d,
        contacts.last_contacted_on
    from customers
    left join contacts on customers.customer_id = contacts.customer_id
    left join preferred on customers.customer_id = preferred.customer_id
    left join best_weekdays
        on customers.customer_id = best_weekdays.customer_id
    left join best_hours on customers.customer_id = best_hours.customer_id
)

select * from final
