-- Whether contacting dormant customers brings them back: month by month,
-- beside those who were not contacted.
with customer_days as (
    select * from intermediate.customer_days
),

dormant as (
    select * from intermediate.dormant_months
),

contact_days as (
    select * from intermediate.contact_days
),

identity_members as (
    select * from intermediate.identity_members
),

contacts as (
    select
        coalesce(identity_members.customer_id, contact_days.customer_id)
            as customer_id,
        contact_days.campaign_id,
        contact_days.channel,
        contact_days.day,
        cast(date_trunc('month', contact_days.day) as date) as month
    from contact_days
    left join identity_members
        on contact_days.customer_id = identity_members.landed_id
    where contact_days.day <= $as_of
),

-- The first contact by each campaign through each channel. One after they have
-- bought again wakes nobody.
contacted as (
    select
        dormant.customer_id,
        dormant.month,
        dormant.next_purchase_on,
        contacts.campaign_id,
        contacts.channel,
        min(contacts.day) as window_from
    from dormant
    inner join contacts
        on
            dormant.customer_id = contacts.customer_id
            and dormant.month = contacts.month
    where
        dormant.next_purchase_on is null
        or contacts.day <= dormant.next_purchase_on
    group by
        dormant.customer_id,
        dormant.month,
        dormant.next_purchase_on,
        contacts.campaign_id,
        contacts.channel
),

observed as (
    select
        customer_id,
        month,
        next_purchase_on,
        campaign_id,
        channel,
        window_from
    from contacted
    union all
    select
        dormant.customer_id,
        dormant.month,
        dormant.next_purchase_on,
        '(not contacted)' as campaign_id,
        '(not contacted)' as channel,
        dormant.month as window_from
    from dormant
    left anti join contacted
        on
            dormant.customer_id = contacted.customer_id
            and dormant.month = contacted.month
),

outcomes as (
    select
        observed.customer_id,
        observed.month,
        observed.campaign_id,
        observed.channel,
        coalesce(
            observed.next_purchase_on
            <= add_days(observed.window_from, $conversion_days),
            false
        ) as has_bought,
        sum(customer_days.revenue) as revenue
    from observed
    left join customer_days
        on
            observed.customer_id = customer_days.customer_id
            and observed.window_from <= customer_days.day
            and customer_days.day
            <= add_days(observed.window_from, $conversion_days)
    group by
        observed.customer_id,
        observed.month,
        observed.campaign_id,
        observed.channel,
        observed.next_purchase_on,
        observed.window_from
),

counted as (
    select
        month,
        campaign_id,
        channel,
        count(*) as customers,
        count(*) filter (where has_bought) as bought,
        sum(revenue) as revenue
    from outcomes
    group by month, campaign_id, channel
),

dormant_counts as (
    select
        month,
        count(*) as dormant
    from dormant
    group by month
),

-- Every month from the first with a dormant customer, even if later ones have
-- none.
month_limits as (
    select
        cast(
            date_part('year', min(month)) * 12
            + date_part('month', min(month)) - 1 as bigint
        ) as first_month,
        cast(
            date_part('year', $as_of) * 12 + date_part('month', $as_of) - 1
            as bigint
        ) as last_month
    from dormant_counts
),

month_numbers as (
    select unnest(generate_series(first_month, last_month)) as month_number
    from month_limits
    where first_month is not null
),

months as (
    select make_date(month_number / 12, month_number % 12 + 1, 1) as month
    from month_numbers
),

rows_of_months as (
    select
        month,
        campaign_id,
        channel
    from counted
    where campaign_id <> '(not contacted)'
    union all
    select
        month,
        '(not contacted)' as campaign_id,
        '(not contacted)' as channel
    from months
),

described as (
    select
        rows_of_months.month,
        rows_of_months.campaign_id,
        rows_of_months.channel,
        coalesce(dormant_counts.dormant, 0) as dormant,
        coalesce(counted.customers, 0) as customers,
        coalesce(counted.bought, 0) as bought,
        cast(coalesce(counted.revenue, 0) as decimal(18, 2)) as revenue,
        add_days(
            cast(rows_of_months.month + interval '1 month' as date), -1
        ) as month_end
    from rows_of_months
    left join dormant_counts on rows_of_months.month = dormant_counts.month
    left join counted
        on
            rows_of_months.month = counted.month
            and rows_of_months.campaign_id = counted.campaign_id
            and rows_of_months.channel = counted.channel
),

-- The last possible contact is on the month's last day. Who was not contacted
-- is known when the month has ended.
completed as (
    select
        *,
        case
            when campaign_id = '(not contacted)'
                then
                    greatest(month_end, add_days(month, $conversion_days))
                    <= $as_of
            else add_days(month_end, $conversion_days) <= $as_of
        end as is_complete
    from described
),

final as (
    select
        month,
        campaign_id,
        channel,
        dormant,
        customers,
        bought,
        case
            when is_complete
                then cast(bought as double) / nullif(customers, 0)
        end as rate,
        revenue,
        is_complete
    from completed
)

select * from final
