-- Who is leaving, in which way and why: what customers bought in the window of
-- churn_window_days up to as_of against the window before it.
with buyers as (
    select * from intermediate.buyers
),

customer_days as (
    select * from intermediate.customer_days
),

customer_products as (
    select * from intermediate.customer_products
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

survey_responses as (
    select * from intermediate.survey_responses
),

customer_value as (
    select * from marts.customer_value
),

churn_reasons as (
    select * from seeds.churn_reasons
),

windows as (
    select
        add_days($as_of, -2 * $churn_window_days) as before_from,
        add_days($as_of, -$churn_window_days) as now_from
),

-- Sales in both windows. Windows exclude their first bound.
sales as (
    select
        customer_days.customer_id,
        bool_or(customer_days.is_purchase_day) filter (
            where customer_days.day <= windows.now_from
        ) as has_bought_before,
        bool_or(customer_days.is_purchase_day) filter (
            where customer_days.day > windows.now_from
        ) as has_bought_now,
        sum(customer_days.revenue) filter (
            where customer_days.day <= windows.now_from
        ) as revenue_before,
        sum(customer_days.revenue) filter (
            where customer_days.day > windows.now_from
        ) as revenue_now
    from customer_days
    cross join windows
    where customer_days.day > windows.before_from
    group by customer_days.customer_id
),

-- The profile of what they buy: distinct items per window.
bought_items as (
    select
        customer_products.customer_id,
        customer_products.item,
        customer_products.day > windows.now_from as is_now
    from customer_products
    cross join windows
    where customer_products.day > windows.before_from
    group by
        customer_products.customer_id,
        customer_products.item,
        customer_products.day > windows.now_from
),

profiles as (
    select
        customer_id,
        count(*) filter (where not is_now) as products_before,
        count(*) filter (where is_now) as products_now
    from bought_items
    group by customer_id
),

compared as (
    select
        buyers.customer_id,
        buyers.last_purchase_on,
        coalesce(sales.has_bought_before, false) as has_bought_before,
        coalesce(sales.has_bought_now, false) as has_bought_now,
        coalesce(profiles.products_before, 0) as products_before,
        coalesce(profiles.products_now, 0) as products_now,
        cast(coalesce(sales.revenue_before, 0) as decimal(18, 2))
            as revenue_before,
        cast(coalesce(sales.revenue_now, 0) as decimal(18, 2)) as revenue_now
    from buyers
    left join sales on buyers.customer_id = sales.customer_id
    left join profiles on buyers.customer_id = profiles.customer_id
),

categorized as (
    select
        *,
        case
            when not has_bought_now then 'account'
            when has_bought_before and products_now < products_before
                then 'product'
            when
                has_bought_before
                and revenue_now
                < revenue_before
                * cast(1 - $churn_spend_drop as decimal(9, 6))
                then 'spend'
            else 'none'
        end as category
    from compared
),

leaving as (
    select * from categorized where category <> 'none'
),

-- What they said when they left: the newest exit survey since they last bought.
exit_texts as (
    select
        leaving.customer_id,
        first_value(
            survey_responses.reason
            order by
                survey_responses.responded_at desc, survey_responses.survey_id
        ) as reason_text
    from leaving
    inner join survey_responses
        on
            leaving.customer_id = survey_responses.customer_id
            and leaving.last_purchase_on <= survey_responses.day
    where survey_responses.kind = 'exit'
    group by leaving.customer_id
),

-- Case and blanks do not matter.
known_reasons as (
    select
        regexp_replace(lower(text), '\s+', '', 'g') as text_key,
        min(reason) as reason
    from churn_reasons
    group by regexp_replace(lower(text), '\s+', '', 'g')
),

stated_reasons as (
    select
        exit_texts.customer_id,
        coalesce(known_reasons.reason, 'other') as reason
    from exit_texts
    left join known_reasons
        on
            regexp_replace(lower(exit_texts.reason_text), '\s+', '', 'g')
            = known_reasons.text_key
),

-- Signs of anger in the window up to the last purchase day, or after it.
signs_of_anger as (
    select
        customer_id,
        max(day) as day
    from survey_responses
    where
        (kind = 'csat' and score <= 2)
        or (kind = 'nps' and score <= 6)
    group by customer_id
    union all
    select
        customer_id,
        max(day) as day
    from customer_interactions
    where is_complaint
    group by customer_id
),

dissatisfied as (
    select leaving.customer_id
    from leaving
    inner join signs_of_anger
        on leaving.customer_id = signs_of_anger.customer_id
    where
        signs_of_anger.day
        > add_days(leaving.last_purchase_on, -$churn_window_days)
    group by leaving.customer_id
),

-- Who heard from us: in the days after their last purchase if they are gone,
-- in the window now if they still buy. (Someone who has not bought in the
-- window now has had those days: they have passed.)
contacted as (
    select leaving.customer_id
    from leaving
    cross join windows
    inner join customer_interactions
        on leaving.customer_id = customer_interactions.customer_id
    where
        customer_interactions.is_outbound
        and case
            when leaving.category = 'account'
                then
                    customer_interactions.day >= leaving.last_purchase_on
                    and customer_interactions.day
                    <= add_days(leaving.last_purchase_on, $churn_window_days)
            else customer_interactions.day > windows.now_from
        end
    group by leaving.customer_id
),

final as (
    select
        categorized.customer_id,
        categorized.category,
        categorized.has_bought_before and categorized.category <> 'none'
            as is_new_churn,
        categorized.products_before,
        categorized.products_now,
        categorized.revenue_before,
        categorized.revenue_now,
        case
            when categorized.category = 'none' then cast(0 as decimal(18, 2))
            else
                greatest(
                    cast(
                        categorized.revenue_before - categorized.revenue_now
                        as decimal(18, 2)
                    ),
                    cast(0 as decimal(18, 2))
                )
        end as revenue_lost,
        categorized.last_purchase_on,
        customer_value.p_alive,
        case
            when categorized.category = 'none' then null
            when stated_reasons.customer_id is not null
                then stated_reasons.reason
            when dissatisfied.customer_id is not null then 'dissatisfaction'
            when contacted.customer_id is null then 'unappreciated'
            else 'unknown'
        end as reason,
        case
            when categorized.category = 'none' then null
            when stated_reasons.customer_id is not null then 'stated'
            when
                dissatisfied.customer_id is not null
                or contacted.customer_id is null
                then 'inferred'
            else 'unknown'
        end as reason_source,
        categorized.has_bought_before
    from categorized
    left join customer_value
        on categorized.customer_id = customer_value.customer_id
    left join stated_reasons
        on categorized.customer_id = stated_reasons.customer_id
    left join dissatisfied
        on categorized.customer_id = dissatisfied.customer_id
    left join contacted on categorized.customer_id = contacted.customer_id
)

select * from final
